import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { appendFileSync, mkdirSync, rmSync, statfsSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { loadCompression } from "../../../src/engine/compression.ts";
import type { GrowingBlob, Layer } from "../../../src/engine/layer.ts";
import { LayerStore } from "../../../src/engine/layer-store.ts";
import type { WorkerPool } from "../../../src/engine/pool.ts";
import { toByteString } from "../../../src/go/byte-string.ts";
import type { LocalSource } from "../../../src/plan/layers.ts";
import {
  diffIdOf,
  directorySource,
  expectedTar,
  fastestGzip,
  filledDirectory,
  NEVER,
  newPool,
  OTHER_DIFF_ID,
  planOf,
} from "../../support/build/layer-plans.ts";
import { NO_SMALL_DISK, smallDisk } from "../../support/files/small-disk.ts";
import { openSpools, spoolsClosed } from "../../support/files/spools.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { copyOf } from "../../support/growing-blob.ts";
import { WAIT } from "../../support/runner/time-limits.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const WORKERS = 2;
let pool: WorkerPool;
beforeAll(() => {
  pool = newPool(WORKERS);
});
afterAll(() => pool.close());

async function bytesOf(layer: Layer): Promise<Buffer> {
  return await copyOf((await layer.blob()).read(0));
}

async function failureOf(layer: Layer): Promise<unknown> {
  return await rejectionOf(layer.blob().then((blob) => blob.done));
}

/** Checks that a layer is correct, and so that an earlier failure left nothing behind. */
async function expectWorks(store: LayerStore, key: string): Promise<void> {
  const source = directorySource(filledDirectory(3 * pool.arena.slots));
  const layer = store.layer(planOf(source, { key }), NEVER);
  const tar = expectedTar(source);
  expect(await layer.diffId).toBe(diffIdOf(tar));
  expect(gunzipSync(await bytesOf(layer)).equals(tar)).toBe(true);
  layer.release();
}

test("the digest does not depend on the number of workers, and the blob is the tar in gzip", async () => {
  const source = directorySource(filledDirectory(12));
  const tar = expectedTar(source);
  const made = await Promise.all(
    [1, 2, 5].map(async (workers) => {
      const own = newPool(workers);
      try {
        const layer = new LayerStore(own, tempTree()).layer(planOf(source), NEVER);
        const bytes = await bytesOf(layer);
        const { digest, size } = await (await layer.blob()).done;
        const result = { diffId: await layer.diffId, tarSize: await layer.tarSize, digest, size };
        layer.release();
        return { ...result, bytes };
      } finally {
        await own.close();
      }
    }),
  );
  for (const { diffId, tarSize, digest, size, bytes } of made) {
    expect(diffId).toBe(diffIdOf(tar));
    expect(tarSize).toBe(tar.length);
    expect(size).toBe(bytes.length);
    expect(digest).toBe(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
    expect(digest).toBe(made[0]?.digest);
    expect(gunzipSync(bytes).equals(tar)).toBe(true);
  }
  execFileSync("gzip", ["-t"], { input: made[0]?.bytes ?? "" });
});

test("zstd: the digest does not depend on the number of workers, and the blob is the tar in frames", async () => {
  const source = directorySource(filledDirectory(12));
  const blobs = await Promise.all(
    [1, 3].map(async (workers) => {
      const own = newPool(workers, loadCompression("zstd", 1, ""));
      try {
        const layer = new LayerStore(own, tempTree()).layer(planOf(source), NEVER);
        const bytes = await bytesOf(layer);
        layer.release();
        return bytes;
      } finally {
        await own.close();
      }
    }),
  );
  expect(blobs[0]?.equals(blobs[1] ?? Buffer.alloc(0))).toBe(true);
  expect(zstdDecompressSync(blobs[0] ?? "").equals(expectedTar(source))).toBe(true);
});

test("a shared layer is read, hashed and compressed once", async () => {
  const spoolDir = tempTree();
  const store = new LayerStore(pool, spoolDir);
  const scans = vi.spyOn(pool, "scan");
  onTestFinished(() => scans.mockRestore());
  const plan = planOf(directorySource(filledDirectory(4)), { consumers: 2 });
  const [app, cache] = [store.layer(plan, NEVER), store.layer({ ...plan, priority: 1 }, NEVER)];
  expect(cache).toBe(app);
  expect(store.layers).toEqual([app]);
  const [first, second] = await Promise.all([bytesOf(app), bytesOf(cache)]);
  expect(first.equals(second)).toBe(true);
  expect(app.counters).toMatchObject({ reads: 1, hashes: 1, compressions: 1, uploads: 0 });
  expect(scans).toHaveBeenCalledTimes(1);
  app.release();
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(openSpools(spoolDir)).toBe(1);
  cache.release();
  await spoolsClosed(spoolDir);
});

function manyFiles(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`dir/${i}`, ""]));
}

/** Counts the threads that start during the test. */
function startedThreads(): () => number {
  let started = 0;
  const count = () => {
    started += 1;
  };
  subscribe("worker_threads", count);
  onTestFinished(() => void unsubscribe("worker_threads", count));
  return () => started;
}

describe("an export of small layers", () => {
  const compressions = { gzip: () => fastestGzip(), zstd: () => loadCompression("zstd", 1, "") };

  test.each(["gzip", "zstd"] as const)("starts no thread, and has the bytes that threads make: %s", async (kind) => {
    const started = startedThreads();
    const own = newPool(3, compressions[kind]());
    onTestFinished(() => own.close());
    const store = new LayerStore(own, tempTree());
    const make = async (source: LocalSource, key: string) => {
      const layer = store.layer(planOf(source, { key }), NEVER);
      const bytes = await bytesOf(layer);
      layer.release();
      return { bytes, diffId: await layer.diffId, ...(await (await layer.blob()).done) };
    };
    const small = [0, 1, 3].map((blocks) => directorySource(filledDirectory(blocks)));
    const here = await Promise.all(small.map((source, i) => make(source, `here ${i}`)));
    expect(started()).toBe(0);
    await make(directorySource(filledDirectory(3 * own.arena.slots)), "large");
    expect(started()).toBe(5);
    expect(await Promise.all(small.map((source, i) => make(source, `thread ${i}`)))).toEqual(here);
  });

  test("starts threads for a directory with many entries", async () => {
    const started = startedThreads();
    const own = newPool(3);
    onTestFinished(() => own.close());
    const source = directorySource(tempTree(manyFiles()));
    const layer = new LayerStore(own, tempTree()).layer(planOf(source), NEVER);
    expect(await layer.diffId).toBe(diffIdOf(expectedTar(source)));
    expect(started()).toBe(4);
    layer.release();
  });

  test.each<readonly [string, () => string, number]>([
    ["more files than the main thread scans", () => tempTree(manyFiles()), 4],
    ["more bytes than the main thread makes", () => filledDirectory(9), 4],
    ["few small files", () => tempTree({ "dir/file": "x" }), 0],
    ["few files that may be another machine's or a program's", () => "/proc/sys/fs/inotify", 4],
  ])("starts threads ahead for directories with %s", async (_, directory, expected) => {
    const started = startedThreads();
    const own = newPool(3);
    onTestFinished(() => own.close());
    await own.startFor([tempTree(), directory()].map(toByteString));
    expect(started()).toBe(expected);
  });

  test("builds each block in a turn of the event loop of its own", async () => {
    const own = newPool(3);
    onTestFinished(() => own.close());
    const [tar] = await own.scan(directorySource(filledDirectory(3)));
    let turn = 0;
    let next = setImmediate(function count() {
      turn += 1;
      next = setImmediate(count);
    });
    onTestFinished(() => clearImmediate(next));
    const build = async (block: number) => {
      await own.block({ kind: "block", tar: tar!, block, slot: block, compress: true });
      return turn;
    };
    const turns = await Promise.all([0, 1, 2].map(build));
    expect(new Set(turns).size).toBe(3);
  });

  test("leaves an unreadable file to a thread, which reports it", async () => {
    const started = startedThreads();
    const own = newPool(1);
    onTestFinished(() => own.close());
    const directory = tempTree({ file: "x" });
    const scan = vi.spyOn(own, "scan");
    const store = new LayerStore(own, tempTree());
    scan.mockImplementationOnce(async (source) => {
      const indexes = await own.scan(source);
      rmSync(join(directory, "file"));
      return indexes;
    });
    expect(await failureOf(store.layer(planOf(directorySource(directory)), NEVER))).toMatchObject({
      code: "EXPORT_LAYER_CHANGED",
      message: `file changed while it was exported: ${directory}/file was removed`,
    });
    expect(started()).toBe(2);
  });
});

test("a layer only for the cache is not scanned while blocks of the app image wait for a thread", async () => {
  const store = new LayerStore(pool, tempTree());
  const [scans, blocks] = [vi.spyOn(pool, "scan"), vi.spyOn(pool, "block")];
  onTestFinished(() => {
    scans.mockRestore();
    blocks.mockRestore();
  });
  const size = 3 * pool.arena.slots;
  const app = store.layer(planOf(directorySource(filledDirectory(size)), { key: "app" }), NEVER);
  await vi.waitUntil(() => blocks.mock.calls.length > 0, { ...WAIT, interval: 1 });
  const cache = store.layer(planOf(directorySource(filledDirectory(1)), { key: "cache", priority: 1 }), NEVER);
  await Promise.all([bytesOf(app), bytesOf(cache)]);
  expect(scans.mock.invocationCallOrder[1]).toBeGreaterThan(blocks.mock.invocationCallOrder[size - 1] as number);
  app.release();
  cache.release();
});

describe("hash first", () => {
  test("a known layer is not compressed", async () => {
    const source = directorySource(filledDirectory(3));
    const diffId = diffIdOf(expectedTar(source));
    const spoolDir = tempTree();
    const layer = new LayerStore(pool, spoolDir).layer(planOf(source, { expected: [OTHER_DIFF_ID, diffId] }), NEVER);
    expect(await layer.diffId).toBe(diffId);
    layer.release();
    expect(layer.counters).toMatchObject({ reads: 1, hashes: 1, compressions: 0, uploads: 0 });
    expect(openSpools(spoolDir)).toBe(0);
  });

  test("an unknown layer is compressed on request, once, to the same blob", async () => {
    const source = directorySource(filledDirectory(3));
    const store = new LayerStore(pool, tempTree());
    const direct = store.layer(planOf(source, { key: "direct" }), NEVER);
    const hashed = store.layer(planOf(source, { key: "hashed", expected: [OTHER_DIFF_ID] }), NEVER);
    expect(await hashed.diffId).toBe(await direct.diffId);
    expect(hashed.counters.compressions).toBe(0);
    const blobs = await Promise.all([hashed.blob(), hashed.blob(), direct.blob()]);
    const [first, second, other] = await Promise.all(blobs.map((blob) => blob.done));
    expect(first).toEqual(other);
    expect(second).toEqual(other);
    expect((await bytesOf(hashed)).equals(await bytesOf(direct))).toBe(true);
    expect(hashed.counters).toMatchObject({ reads: 2, hashes: 1, compressions: 1, uploads: 0 });
    for (const layer of [direct, hashed]) layer.release();
  });

  test("a file that changes between the two passes is a fault that names it", async () => {
    const root = filledDirectory(3);
    const store = new LayerStore(pool, tempTree());
    const layer = store.layer(planOf(directorySource(root), { expected: [OTHER_DIFF_ID] }), NEVER);
    await layer.diffId;
    appendFileSync(join(root, "large-1"), "more");
    expect(await failureOf(layer)).toMatchObject({
      code: "EXPORT_LAYER_CHANGED",
      message: expect.stringContaining(`${join(root, "large-1")} had`),
    });
    expect(await rejectionOf(bytesOf(layer))).toMatchObject({ code: "EXPORT_LAYER_CHANGED" });
    layer.release();
    await expectWorks(store, "next");
  });

  test("a file that is touched between the two passes is exported as it is", async () => {
    const root = filledDirectory(3);
    const layer = new LayerStore(pool, tempTree()).layer(
      planOf(directorySource(root), { expected: [OTHER_DIFF_ID] }),
      NEVER,
    );
    await layer.diffId;
    for (const name of ["large-1", "small-2"]) utimesSync(join(root, name), 1, 2);
    expect(gunzipSync(await bytesOf(layer)).equals(expectedTar(directorySource(root)))).toBe(true);
    layer.release();
  });

  test("contents that change under the same size and time of modification are noticed by their checksum", async () => {
    const root = tempTree();
    const path = join(root, "file");
    writeFileSync(path, "contents");
    utimesSync(path, 1_000_000_000, 1_000_000_000);
    const layer = new LayerStore(pool, tempTree()).layer(
      planOf(directorySource(root), { expected: [OTHER_DIFF_ID] }),
      NEVER,
    );
    await layer.diffId;
    writeFileSync(path, "CONTENTS");
    utimesSync(path, 1_000_000_000, 1_000_000_000);
    expect(await failureOf(layer)).toMatchObject({
      code: "EXPORT_LAYER_CHANGED",
      message: `file changed while it was exported: ${path} was written to`,
    });
    layer.release();
  });
});

test("readers of a growing spool get the same bytes, each at its own pace", async () => {
  const layer = new LayerStore(pool, tempTree()).layer(
    planOf(directorySource(filledDirectory(10)), { consumers: 3 }),
    NEVER,
  );
  const blob: GrowingBlob = await layer.blob();
  const slow = async () => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of blob.read(0)) {
      chunks.push(Buffer.from(chunk));
      for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return Buffer.concat(chunks);
  };
  const late = async () => {
    await blob.reaches(3_000_000);
    return await copyOf(blob.read(1_234_567));
  };
  const [a, b, c, { digest, size }] = await Promise.all([copyOf(blob.read(0)), slow(), late(), blob.done]);
  expect(size).toBe(a.length);
  expect(digest).toBe(`sha256:${createHash("sha256").update(a).digest("hex")}`);
  expect(b.equals(a)).toBe(true);
  expect(c.equals(a.subarray(1_234_567))).toBe(true);
});

describe("a failure stays with its layer", () => {
  test("a missing source", async () => {
    const spoolDir = tempTree();
    const store = new LayerStore(pool, spoolDir);
    const path = join(tempTree(), "nothing");
    const layer = store.layer(planOf(directorySource(path)), NEVER);
    const fault = { code: "EXPORT_LAYER_READ", message: `lstat ${path}: no such file or directory` };
    expect(await rejectionOf(layer.diffId)).toMatchObject(fault);
    expect(await rejectionOf(layer.tarSize)).toMatchObject(fault);
    expect(await failureOf(layer)).toMatchObject(fault);
    await spoolsClosed(spoolDir);
    layer.release();
    await expectWorks(store, "next");
  });

  test("files that vanish while the layer is built", async () => {
    const root = filledDirectory(40);
    const store = new LayerStore(pool, tempTree());
    const other = store.layer(planOf(directorySource(filledDirectory(6)), { key: "other" }), NEVER);
    const layer = store.layer(planOf(directorySource(root)), NEVER);
    await layer.tarSize;
    rmSync(root, { recursive: true });
    expect(await rejectionOf(layer.diffId)).toMatchObject({
      code: "EXPORT_LAYER_CHANGED",
      message: expect.stringMatching(`${root}/.* was removed$`),
    });
    expect(await failureOf(layer)).toMatchObject({ code: "EXPORT_LAYER_CHANGED" });
    expect(gunzipSync(await bytesOf(other)).length).toBe(await other.tarSize);
    for (const one of [layer, other]) one.release();
    await expectWorks(store, "next");
  });

  test("a missing spool directory, which a hash does not need", async () => {
    const spoolDir = join(tempTree(), "nothing");
    const store = new LayerStore(pool, spoolDir);
    const source = directorySource(filledDirectory(2));
    const layer = store.layer(planOf(source), NEVER);
    const fault = { code: "EXPORT_LAYER_SPOOL", message: expect.stringContaining(spoolDir) };
    expect(await rejectionOf(layer.diffId)).toMatchObject(fault);
    expect(await rejectionOf(layer.blob())).toMatchObject(fault);
    const hashed = store.layer(planOf(source, { key: "hashed", expected: [OTHER_DIFF_ID] }), NEVER);
    expect(await hashed.diffId).toBe(diffIdOf(expectedTar(source)));
    expect(await rejectionOf(hashed.blob())).toMatchObject(fault);
    for (const one of [layer, hashed]) one.release();
  });

  test("a full disk", async (context) => {
    const disk = smallDisk("size=2m");
    if (disk === undefined) return context.skip(NO_SMALL_DISK);
    const store = new LayerStore(pool, disk);
    const layer = store.layer(planOf(directorySource(filledDirectory(20))), NEVER);
    const fault = { code: "EXPORT_LAYER_SPOOL", message: expect.stringContaining("no space left on device") };
    expect(await failureOf(layer)).toMatchObject(fault);
    expect(await rejectionOf(layer.diffId)).toMatchObject(fault);
    // The kernel frees a closed file's blocks a moment after its descriptor is gone.
    await vi.waitFor(() => expect(statfsSync(disk).bfree).toBe(statfsSync(disk).blocks), WAIT);
    const small = store.layer(planOf(directorySource(filledDirectory(1)), { key: "small" }), NEVER);
    expect(gunzipSync(await bytesOf(small)).length).toBe(await small.tarSize);
    for (const one of [layer, small]) one.release();
  });
});

test("an abort stops a layer at any stage, with the signal's reason", async () => {
  const spoolDir = tempTree();
  const store = new LayerStore(pool, spoolDir);
  const controller = new AbortController();
  const reason = new Error("stop");
  const root = filledDirectory(40);
  // The engine builds four layers at a time, so some of these have not started.
  const layers = Array.from({ length: 7 }, (_, order) =>
    store.layer(planOf(directorySource(root), { key: String(order), order }), controller.signal),
  );
  const blob = await (layers[0] as Layer).blob();
  const reading = copyOf(blob.read(0));
  await blob.reaches(100);
  controller.abort(reason);
  expect(await rejectionOf(reading)).toBe(reason);
  for (const layer of layers) {
    expect(await rejectionOf(layer.diffId)).toBe(reason);
    expect(await failureOf(layer)).toBe(reason);
    layer.release();
  }
  await spoolsClosed(spoolDir);
  await expectWorks(store, "next");
});

test("a release before the blob is complete frees the spool when it is", async () => {
  const spoolDir = tempTree();
  const store = new LayerStore(pool, spoolDir);
  const layer = store.layer(planOf(directorySource(filledDirectory(4))), NEVER);
  layer.release();
  await layer.diffId;
  await spoolsClosed(spoolDir);
});

test("the slices of an app are scanned once; an empty one is the empty tar", async () => {
  const appDir = tempTree();
  mkdirSync(join(appDir, "static"));
  for (const name of ["main.js", "static/a.css", "static/b.css"]) writeFileSync(join(appDir, name), name);
  const slices = [["static/*"], ["nothing"]];
  const store = new LayerStore(pool, tempTree());
  const scans = vi.spyOn(pool, "scan");
  onTestFinished(() => scans.mockRestore());
  const layers = [0, 1, 2].map((index) =>
    store.layer(
      planOf({ kind: "app-slice", appDir, slices, index, uid: 1, gid: 2 }, { key: `slice-${index}`, order: index }),
      NEVER,
    ),
  );
  const diffIds = await Promise.all(layers.map((layer) => layer.diffId));
  expect(scans).toHaveBeenCalledTimes(1);
  const source = { kind: "app-slice", appDir, slices, index: 0, uid: 1, gid: 2 } as const;
  expect(diffIds).toEqual([0, 1, 2].map((index) => diffIdOf(expectedTar(source, index))));
  expect(diffIds[1]).toBe("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
  expect(gunzipSync(await bytesOf(layers[1] as Layer))).toEqual(Buffer.alloc(1024));
  for (const layer of layers) layer.release();
});

test("more layers than are built at a time all get their own digests", async () => {
  const store = new LayerStore(pool, tempTree());
  const root = tempTree();
  const layers = Array.from({ length: 60 }, (_, i) => {
    const path = join(root, `layer-${i}`);
    mkdirSync(path);
    writeFileSync(join(path, "file"), `layer ${i}`);
    return store.layer(planOf(directorySource(path), { key: path, order: i, priority: i % 2 }), NEVER);
  });
  const tars = await Promise.all(layers.map(async (layer) => gunzipSync(await bytesOf(layer))));
  const diffIds = await Promise.all(layers.map((layer) => layer.diffId));
  expect(diffIds).toEqual(tars.map(diffIdOf));
  expect(new Set(diffIds).size).toBe(60);
  for (const layer of layers) layer.release();
});

test("a layer that waits for its turn holds no spool", async () => {
  const spools = tempTree();
  const store = new LayerStore(pool, spools);
  const plans = Array.from({ length: 40 }, (_, i) =>
    planOf(directorySource(filledDirectory(1)), { key: `layer-${i}`, order: i }),
  );
  const layers = plans.map((plan) => store.layer(plan, NEVER));
  let done = 0;
  let most = 0;
  await Promise.all(
    layers.map(async (layer) => {
      await layer.diffId;
      done += 1;
      // Nothing is released, so open files beyond those of finished layers belong to running ones.
      most = Math.max(most, openSpools(spools) - done);
    }),
  );
  expect(most).toBeLessThan(20);
  expect(openSpools(spools)).toBe(40);
  for (const layer of layers) layer.release();
  await spoolsClosed(spools);
});
