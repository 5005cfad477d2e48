import { createHash } from "node:crypto";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { LayerStore } from "../../../src/engine/layer-store.ts";
import type { WorkerPool } from "../../../src/engine/pool.ts";
import { TAR_TYPE } from "../../../src/go/tar-header.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import type { LayerPlan } from "../../../src/plan/layers.ts";
import { BLOCK_SIZE } from "../../../workers/protocol.ts";
import { buildTarIndex } from "../../../workers/scan/tar-index.ts";
import { NEVER, newPool, planOf } from "../../support/build/layer-plans.ts";
import { openSpools, spoolsClosed } from "../../support/files/spools.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { copyOf } from "../../support/growing-blob.ts";
import { madeEntry, wholeTar } from "../../support/images/tar-entries.ts";
import { seededRandom } from "../../support/random.ts";
import { WAIT } from "../../support/runner/time-limits.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const WORKERS = 2;
let pool: WorkerPool;
beforeAll(() => {
  pool = newPool(WORKERS);
});
afterAll(() => pool.close());

/** A normalized tar of slightly more than `blocks` MiB, so that its copy is identical. */
function normalizedTar(blocks: number): Buffer {
  const random = seededRandom(blocks).below;
  const path = join(tempTree(), "file");
  const noise = Uint32Array.from({ length: BLOCK_SIZE / 8 }, () => random(2 ** 32));
  writeFileSync(path, Buffer.concat(Array.from({ length: blocks * 2 }, () => Buffer.from(noise.buffer))));
  const directories = Array.from({ length: 3000 }, (_, i) =>
    madeEntry(`/directory-${i}`, { type: TAR_TYPE.directory }),
  );
  return Buffer.concat([wholeTar(buildTarIndex(directories)).subarray(0, -1024), wholeTar(fileIndex(path))]);
}

function fileIndex(path: string) {
  const { size, mtimeMs, ctimeMs } = statSync(path);
  return buildTarIndex([madeEntry(path, { size, mtimeMs, ctimeMs })]);
}

function blobPlan(blob: Uint8Array, order = 0): LayerPlan {
  const path = join(tempTree(), "blob");
  writeFileSync(path, blob);
  const source = { kind: "extension", index: order, path, digest: digestOf(blob) } as const;
  return planOf(source, { key: `extension:${order}`, order });
}

test("extension tars are rebuilt from their blobs concurrently and leave nothing open", async () => {
  const spoolDir = tempTree();
  const store = new LayerStore(pool, spoolDir);
  const tars = [normalizedTar(3), normalizedTar(1), normalizedTar(2)];
  const layers = tars.map((tar, i) => store.layer(blobPlan(i === 1 ? tar : gzipSync(tar), i), NEVER));
  for (const [i, layer] of layers.entries()) {
    const tar = tars[i] as Buffer;
    const bytes = await copyOf((await layer.blob()).read(0));
    expect(gunzipSync(bytes).equals(tar)).toBe(true);
    expect(await layer.diffId).toBe(`sha256:${createHash("sha256").update(tar).digest("hex")}`);
    expect(await layer.tarSize).toBe(tar.length);
    expect(layer.counters).toMatchObject({ reads: 1, hashes: 1, compressions: 1 });
    layer.release();
  }
  await spoolsClosed(spoolDir);
});

test("a truncated blob fails every request to its layer and leaves nothing open", async () => {
  const spoolDir = tempTree();
  const store = new LayerStore(pool, spoolDir);
  const layer = store.layer(blobPlan(gzipSync(normalizedTar(2)).subarray(0, -100)), NEVER);
  const fault = { code: "EXPORT_LAYER_BLOB", message: expect.stringContaining("corrupt or truncated gzip data") };
  for (const asked of [layer.diffId, layer.tarSize, layer.blob()])
    expect(await rejectionOf(asked)).toMatchObject(fault);
  layer.release();
  await spoolsClosed(spoolDir);
  // The failed thread accepts further tasks.
  const next = store.layer(blobPlan(gzipSync(normalizedTar(1)), 1), NEVER);
  expect((await copyOf((await next.blob()).read(0))).length).toBeGreaterThan(0);
});

test("an aborted copy keeps its file open until the threads have ended, and no longer", async () => {
  const spoolDir = tempTree();
  const own = newPool(WORKERS);
  const copying = vi.spyOn(own, "copy").mockReturnValue(Promise.withResolvers<never>().promise);
  const store = new LayerStore(own, spoolDir);
  const stop = new AbortController();
  const layer = store.layer(blobPlan(gzipSync(normalizedTar(1))), stop.signal);
  await vi.waitFor(() => expect(copying).toHaveBeenCalled(), WAIT);
  stop.abort(new Error("stopped"));
  expect(await rejectionOf(layer.tarSize)).toMatchObject({ message: "stopped" });
  expect(openSpools(spoolDir)).toBe(1);
  await own.close();
  await store.close();
  expect(openSpools(spoolDir)).toBe(0);
});

test("the error for a missing spool directory says so", async () => {
  const store = new LayerStore(pool, join(tempTree(), "nowhere"));
  const layer = store.layer(blobPlan(gzipSync(normalizedTar(1))), NEVER);
  expect(await rejectionOf(layer.diffId)).toMatchObject({ code: "EXPORT_LAYER_SPOOL" });
});
