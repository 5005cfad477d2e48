import { afterAll, beforeAll, expect, test } from "vitest";
import { LayerStore } from "../../../src/engine/layer-store.ts";
import type { WorkerPool } from "../../../src/engine/pool.ts";
import type { LocalSource } from "../../../src/plan/layers.ts";
import { directorySource, NEVER, newPool, planOf } from "../../support/build/layer-plans.ts";
import { mountOddFileSystem } from "../../support/files/odd-file-system.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const WORKERS = 2;
const NO_MOUNT = "this process may not mount a FUSE file system";

let pool: WorkerPool;
beforeAll(() => {
  pool = newPool(WORKERS);
});
afterAll(() => pool.close());

async function tarOf(source: LocalSource): Promise<string> {
  const products = { blob: false, tarStream: true, tarFiles: [] };
  const layer = new LayerStore(pool, tempTree()).layer(planOf(source, { products }), NEVER);
  const chunks: Uint8Array[] = [];
  for await (const chunk of layer.tarStream()) chunks.push(chunk);
  layer.release();
  return Buffer.concat(chunks).toString("latin1");
}

test.for(["directory", "app"])(
  "inode numbers that change with each lookup are no change (%s)",
  async (kind, context) => {
    const large = "of three blocks ".repeat(3 << 16);
    const path = await mountOddFileSystem({ "a/b/file": { contents: "contents" }, "a/z": { contents: large } });
    if (path === undefined) return context.skip(NO_MOUNT);
    const app = { kind: "app-slice", appDir: path, slices: [], index: 0, uid: 0, gid: 0 } as const;
    const tar = await tarOf(kind === "app" ? app : directorySource(path));
    expect(tar).toContain("contents\0");
    expect(tar).toContain(large);
  },
);

test("a file whose times are never the same is exported", async (context) => {
  const path = await mountOddFileSystem({ touched: { contents: "contents", changes: "times" } });
  if (path === undefined) return context.skip(NO_MOUNT);
  expect(await tarOf(directorySource(path))).toContain("contents\0");
});

test("a file whose contents are never the same fails the layer", async (context) => {
  const path = await mountOddFileSystem({ written: { contents: "contents", changes: "times and contents" } });
  if (path === undefined) return context.skip(NO_MOUNT);
  expect(await rejectionOf(tarOf(directorySource(path)))).toMatchObject({
    code: "EXPORT_LAYER_CHANGED",
    message: `file changed while it was exported: ${path}/written was written to`,
  });
});

test.for([
  { reports: "no bytes", contents: "some", reportedSize: 0, problem: "write too long" },
  { reports: "fewer bytes than it has", contents: "contents", reportedSize: 3, problem: "write too long" },
  { reports: "more bytes than it has", contents: "contents", reportedSize: 4096, problem: "missed writing 4088 bytes" },
  {
    reports: "a block more than it has",
    contents: "x".repeat(1 << 20),
    reportedSize: 2 << 20,
    problem: `missed writing ${1 << 20} bytes`,
  },
])("a file that reports $reports fails the layer in the reference's words", async ({ problem, ...file }, context) => {
  const path = await mountOddFileSystem({ before: { contents: "before" }, lying: file, z: { contents: "" } });
  if (path === undefined) return context.skip(NO_MOUNT);
  expect(await rejectionOf(tarOf(directorySource(path)))).toMatchObject({
    code: "EXPORT_LAYER_CONTENTS",
    message: `read ${path}/lying: archive/tar: ${problem}`,
    hint: expect.stringContaining("size differs from"),
  });
});
