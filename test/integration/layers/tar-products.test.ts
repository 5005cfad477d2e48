import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Layer, LayerCounters } from "../../../src/engine/layer.ts";
import { LayerStore } from "../../../src/engine/layer-store.ts";
import type { WorkerPool } from "../../../src/engine/pool.ts";
import type { LayerProducts } from "../../../src/plan/layers.ts";
import {
  diffIdOf,
  directorySource,
  expectedTar,
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
import { rejectionOf } from "../../support/thrown-by.ts";

const WORKERS = 2;
let pool: WorkerPool;
beforeAll(() => {
  pool = newPool(WORKERS);
});
afterAll(() => pool.close());

/** A file that can change without a scan noticing: its size and time stay the same. */
function unnoticedFile() {
  const root = tempTree();
  const write = (text: string) => {
    const path = join(root, "file");
    writeFileSync(path, text);
    utimesSync(path, 1_000_000_000, 1_000_000_000);
  };
  write("contents");
  return { root, write };
}

const NOTHING: LayerProducts = { blob: false, tarStream: false, tarFiles: [] };
const ZERO: LayerCounters = { reads: 0, hashes: 0, compressions: 0, uploads: 0, tarFiles: 0, tarStreams: 0 };

function newStore(): LayerStore {
  return new LayerStore(pool, tempTree());
}

async function blobOf(layer: Layer): Promise<Buffer> {
  return await copyOf((await layer.blob()).read(0));
}

/** Checks that the previous layer left nothing that prevents another with all products. */
async function expectWorks(store: LayerStore): Promise<void> {
  const source = directorySource(filledDirectory(pool.arena.slots + 2));
  const directory = tempTree();
  const products = { blob: true, tarStream: true, tarFiles: [{ directory, expected: [] }] };
  const layer = store.layer(planOf(source, { key: "works", products }), NEVER);
  const tar = expectedTar(source);
  const [stream, file, blob] = await Promise.all([
    buffer(layer.tarStream()),
    layer.tarFile(directory),
    layer.diffId.then(() => blobOf(layer)),
  ]);
  expect(stream.equals(tar)).toBe(true);
  expect(readFileSync(file.path).equals(tar)).toBe(true);
  expect(gunzipSync(blob).equals(tar)).toBe(true);
  expect(layer.counters).toEqual({ ...ZERO, reads: 1, hashes: 1, compressions: 1, tarFiles: 1, tarStreams: 1 });
  layer.release();
}

test("all products come from one pass", async () => {
  await expectWorks(newStore());
});

test("products that are not requested are not built", async () => {
  const source = directorySource(filledDirectory(4));
  const layer = newStore().layer(planOf(source, { products: NOTHING }), NEVER);
  expect(await layer.diffId).toBe(diffIdOf(expectedTar(source)));
  expect(layer.counters).toEqual({ ...ZERO, reads: 1, hashes: 1 });
  layer.release();
});

describe("a tar file", () => {
  test("is written and synced in a pass that only hashes, with the umask's mode", async () => {
    const source = directorySource(filledDirectory(12));
    const directory = tempTree();
    const products = { ...NOTHING, tarFiles: [{ directory, expected: [] }] };
    const layer = newStore().layer(planOf(source, { products }), NEVER);
    const tar = expectedTar(source);
    const { path, size } = await layer.tarFile(directory);
    expect(await layer.diffId).toBe(diffIdOf(tar));
    expect(readFileSync(path).equals(tar)).toBe(true);
    expect(size).toBe(tar.length);
    expect(readdirSync(directory)).toHaveLength(1);
    expect(statSync(path).mode & 0o777).toBe(0o666 & ~process.umask());
    expect(layer.counters).toEqual({ ...ZERO, reads: 1, hashes: 1, tarFiles: 1 });
    expect(openSpools(directory)).toBe(0);
    layer.release();
  });

  test("that may not be needed is written on request and checked against the hash", async () => {
    const root = filledDirectory(4);
    const source = directorySource(root);
    const tar = expectedTar(source);
    const directory = tempTree();
    const products = { ...NOTHING, tarFiles: [{ directory, expected: [diffIdOf(tar)] }] };
    const layer = newStore().layer(planOf(source, { products }), NEVER);
    await layer.diffId;
    expect(layer.counters).toEqual({ ...ZERO, reads: 1, hashes: 1 });
    expect(readdirSync(directory)).toEqual([]);
    const [{ path }, again] = await Promise.all([layer.tarFile(directory), layer.tarFile(directory)]);
    expect(again.path).toBe(path);
    expect(readFileSync(path).equals(tar)).toBe(true);
    expect(layer.counters).toEqual({ ...ZERO, reads: 2, hashes: 1, tarFiles: 1 });
    layer.release();
  });

  test("that turns out to be needed is written in the compressing pass", async () => {
    const source = directorySource(filledDirectory(4));
    const directory = tempTree();
    const products = { ...NOTHING, blob: true, tarFiles: [{ directory, expected: [OTHER_DIFF_ID] }] };
    const layer = newStore().layer(planOf(source, { products, expected: [OTHER_DIFF_ID] }), NEVER);
    const tar = expectedTar(source);
    expect(gunzipSync(await blobOf(layer)).equals(tar)).toBe(true);
    expect(readFileSync((await layer.tarFile(directory)).path).equals(tar)).toBe(true);
    expect(layer.counters).toEqual({ ...ZERO, reads: 2, hashes: 1, compressions: 1, tarFiles: 1 });
    layer.release();
  });

  test("of other contents under the same size and time is a failure and leaves nothing", async () => {
    const { root, write } = unnoticedFile();
    const directory = tempTree();
    const layer = newStore().layer(planOf(directorySource(root), { products: NOTHING }), NEVER);
    await layer.diffId;
    write("CONTENTS");
    expect(await rejectionOf(layer.tarFile(directory))).toMatchObject({ code: "EXPORT_LAYER_CHANGED" });
    expect(readdirSync(directory)).toEqual([]);
    layer.release();
  });

  test.for(["no directory", "a full disk"])("on %s fails alone; the blob is built", async (place, context) => {
    const directory = place === "no directory" ? join(tempTree(), "nothing") : smallDisk("size=2m");
    if (directory === undefined) return context.skip(NO_SMALL_DISK);
    const source = directorySource(filledDirectory(3 * pool.arena.slots));
    const store = newStore();
    const products = { ...NOTHING, blob: true, tarFiles: [{ directory, expected: [] }] };
    const layer = store.layer(planOf(source, { products }), NEVER);
    const text = place === "no directory" ? /: no such file or directory$/ : /: no space left on device$/;
    expect(await rejectionOf(layer.tarFile(directory))).toMatchObject({
      code: "EXPORT_LAYER_TAR",
      message: expect.stringMatching(text),
    });
    expect(gunzipSync(await blobOf(layer)).equals(expectedTar(source))).toBe(true);
    if (place === "a full disk") expect(readdirSync(directory)).toEqual([]);
    expect(openSpools(directory)).toBe(0);
    layer.release();
    await expectWorks(store);
  });

  test("costs no pass when it is requested in a missing directory", async () => {
    const source = directorySource(filledDirectory(2 * pool.arena.slots));
    const layer = newStore().layer(planOf(source, { products: NOTHING }), NEVER);
    await layer.diffId;
    const fault = await rejectionOf(layer.tarFile(join(tempTree(), "nothing")));
    expect(fault).toMatchObject({ message: expect.stringMatching(/: no such file or directory$/) });
    expect(layer.counters).toEqual({ ...ZERO, reads: 1, hashes: 1 });
    layer.release();
  });

  test("on a disk that gets full while it is written fails alone", async (context) => {
    const blocks = 3 * pool.arena.slots;
    const directory = smallDisk(`size=${blocks + 2}m`);
    if (directory === undefined) return context.skip(NO_SMALL_DISK);
    const source = directorySource(filledDirectory(blocks));
    const products = { ...NOTHING, blob: true, tarFiles: [{ directory, expected: [] }] };
    const layer = newStore().layer(planOf(source, { products }), NEVER);
    while (readdirSync(directory).length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(() => writeFileSync(join(directory, "filler"), Buffer.alloc((blocks + 2) << 21))).toThrow("ENOSPC");
    expect(await rejectionOf(layer.tarFile(directory))).toMatchObject({
      code: "EXPORT_LAYER_TAR",
      message: expect.stringMatching(/^write .*: no space left on device$/),
    });
    expect(gunzipSync(await blobOf(layer)).equals(expectedTar(source))).toBe(true);
    expect(readdirSync(directory)).toEqual(["filler"]);
    layer.release();
  });

  test("of a layer that fails is removed", async () => {
    const root = filledDirectory(20);
    const directory = tempTree();
    const store = newStore();
    const products = { ...NOTHING, tarFiles: [{ directory, expected: [] }] };
    const layer = store.layer(planOf(directorySource(root), { products }), NEVER);
    await layer.tarSize;
    writeFileSync(join(root, "large-19"), "less");
    expect(await rejectionOf(layer.tarFile(directory))).toMatchObject({ code: "EXPORT_LAYER_CHANGED" });
    expect(readdirSync(directory)).toEqual([]);
    await spoolsClosed(directory);
    await expectWorks(store);
  });
});

describe("a tar stream", () => {
  const STREAM: LayerProducts = { ...NOTHING, tarStream: true };

  test("follows its reader's pace and leaves slots to other layers", async () => {
    const source = directorySource(filledDirectory(4 * pool.arena.slots));
    const store = newStore();
    const layer = store.layer(planOf(source, { products: STREAM }), NEVER);
    const blocks = vi.spyOn(pool, "block");
    onTestFinished(() => blocks.mockRestore());
    const stream = layer.tarStream()[Symbol.asyncIterator]();
    const first = await stream.next();
    // Another layer is built completely while the reader waits.
    await expectWorks(store);
    const streamed = blocks.mock.calls[0]?.[0].tar;
    const asked = blocks.mock.calls.filter(([{ tar }]) => tar === streamed);
    expect(asked.length).toBeLessThanOrEqual(pool.arena.slots / 2 + 1);
    const chunks = [first.value];
    for (let next = await stream.next(); next.done !== true; next = await stream.next()) chunks.push(next.value);
    const tar = expectedTar(source);
    expect(Buffer.concat(chunks).equals(tar)).toBe(true);
    expect(Buffer.concat(chunks).length).toBe(await layer.tarSize);
    expect(await layer.diffId).toBe(diffIdOf(tar));
    expect(layer.counters).toEqual({ ...ZERO, reads: 1, hashes: 1, tarStreams: 1 });
    layer.release();
  });

  test("of a layer that may be known can be read after the hash, more than once", async () => {
    const source = directorySource(filledDirectory(3));
    const tar = expectedTar(source);
    const layer = newStore().layer(planOf(source, { products: STREAM, expected: [OTHER_DIFF_ID] }), NEVER);
    expect(await layer.diffId).toBe(diffIdOf(tar));
    expect(layer.counters).toEqual({ ...ZERO, reads: 1, hashes: 1 });
    for (let time = 0; time < 2; time++) expect((await buffer(layer.tarStream())).equals(tar)).toBe(true);
    expect(layer.counters).toEqual({ ...ZERO, reads: 3, hashes: 1, tarStreams: 2 });
    layer.release();
  });

  test("rejects by its end if the contents differ from those hashed", async () => {
    const { root, write } = unnoticedFile();
    const layer = newStore().layer(planOf(directorySource(root), { products: NOTHING }), NEVER);
    await layer.diffId;
    write("CONTENTS");
    expect(await rejectionOf(buffer(layer.tarStream()))).toMatchObject({ code: "EXPORT_LAYER_CHANGED" });
    layer.release();
  });

  test("does not hold up the hash or the file when its reader leaves", async () => {
    const source = directorySource(filledDirectory(3 * pool.arena.slots));
    const store = newStore();
    const directory = tempTree();
    const products = { ...STREAM, tarFiles: [{ directory, expected: [] }] };
    const layer = store.layer(planOf(source, { products }), NEVER);
    for await (const _ of layer.tarStream()) break;
    const tar = expectedTar(source);
    expect(await layer.diffId).toBe(diffIdOf(tar));
    expect(readFileSync((await layer.tarFile(directory)).path).equals(tar)).toBe(true);
    layer.release();
    await expectWorks(store);
  });

  test("ends its pass when its reader leaves, if the pass has no other product", async () => {
    const source = directorySource(filledDirectory(6 * pool.arena.slots));
    const store = newStore();
    const layer = store.layer(planOf(source, { products: NOTHING }), NEVER);
    await layer.diffId;
    const blocks = vi.spyOn(pool, "block");
    onTestFinished(() => blocks.mockRestore());
    for await (const _ of layer.tarStream()) break;
    await expectWorks(store);
    expect(blocks.mock.calls.length).toBeLessThan(5 * pool.arena.slots);
    layer.release();
  });

  test.for(["the export", "the reader"])("ends when %s is aborted, and frees its slots", async (who) => {
    const store = newStore();
    const [whole, own] = [new AbortController(), new AbortController()];
    const source = directorySource(filledDirectory(3 * pool.arena.slots));
    const layer = store.layer(planOf(source, { products: STREAM }), whole.signal);
    const reason = new Error("stop");
    const stream = layer.tarStream(own.signal)[Symbol.asyncIterator]();
    await stream.next();
    (who === "the export" ? whole : own).abort(reason);
    expect(await rejectionOf(buffer({ [Symbol.asyncIterator]: () => stream }))).toBe(reason);
    if (who === "the export") expect(await rejectionOf(layer.diffId)).toBe(reason);
    else expect(await layer.diffId).toBe(diffIdOf(expectedTar(source)));
    layer.release();
    await expectWorks(store);
  });

  test("leaves hash and file to one pass when it is declined", async () => {
    const source = directorySource(filledDirectory(3 * pool.arena.slots));
    const directory = tempTree();
    const products = { ...STREAM, tarFiles: [{ directory, expected: [] }] };
    const layer = newStore().layer(planOf(source, { products }), NEVER);
    const tar = expectedTar(source);
    expect(await layer.hash()).toBe(diffIdOf(tar));
    expect(readFileSync((await layer.tarFile(directory)).path).equals(tar)).toBe(true);
    expect(layer.counters).toMatchObject({ reads: 1, hashes: 1, tarFiles: 1 });
    layer.release();
  });

  test("does not start a pass before it is read, so that streams can be read in any order", async () => {
    const store = newStore();
    const source = directorySource(filledDirectory(pool.arena.slots));
    const tar = expectedTar(source);
    const layers = Array.from({ length: 8 }, (_, i) =>
      store.layer(planOf(source, { key: `layer-${i}`, order: i, products: STREAM }), NEVER),
    );
    await Promise.all(layers.map(({ tarSize }) => tarSize));
    for (const layer of layers.toReversed()) {
      expect((await buffer(layer.tarStream())).equals(tar)).toBe(true);
      layer.release();
    }
  });

  test("that is never read leaves no caller waiting", async () => {
    const store = newStore();
    const source = directorySource(filledDirectory(1));
    const plan = (key: string) => planOf(source, { key, products: STREAM });
    const released = store.layer(plan("released"), NEVER);
    released.release();
    expect(await rejectionOf(released.diffId)).toMatchObject({ code: "EXPORT_INTERNAL" });
    const controller = new AbortController();
    const aborted = store.layer(plan("aborted"), controller.signal);
    const reason = new Error("stop");
    controller.abort(reason);
    expect(await rejectionOf(aborted.diffId)).toBe(reason);
    const missing = planOf(directorySource(join(tempTree(), "nothing")), { key: "none", products: STREAM });
    expect(await rejectionOf(store.layer(missing, NEVER).diffId)).toMatchObject({ code: "EXPORT_LAYER_READ" });
    expect(await rejectionOf(buffer(store.layer(missing, NEVER).tarStream()))).toMatchObject({
      code: "EXPORT_LAYER_READ",
    });
  });
});
