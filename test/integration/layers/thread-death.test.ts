import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";
import { loadCompression } from "../../../src/engine/compression.ts";
import { WorkerPool } from "../../../src/engine/pool.ts";
import { toByteString } from "../../../src/go/byte-string.ts";
import type { Digest } from "../../../src/oci/digest.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const SPOOL = { fileDescriptor: -1, directory: "", code: "EXPORT_LAYER_SPOOL" } as const;

/** Ways in which a thread ends during a task, or before it. */
const ENDS = [
  {
    how: "ends in an error",
    code: 'module.exports = () => new Promise(() => setImmediate(() => { throw new Error("oh"); }));',
    says: /^oh$/,
  },
  { how: "exits", code: "module.exports = () => process.exit(3);", says: /exited with code: 3/ },
  { how: "does not start", code: 'throw new Error("no start");', says: /no start/ },
] as const;

test.for(ENDS)("a thread that $how fails all waiting tasks, with its cause", async ({ code, says }) => {
  const entry = join(tempTree({ "dying.cjs": code }), "dying.cjs");
  const pool = new WorkerPool({ compressor: entry, digester: entry }, 1, loadCompression("zstd", 1, ""));
  onTestFinished(() => pool.close());
  const blob = { path: toByteString(entry), digest: "sha256:0" as Digest };
  const tasks = [1, 2, 3].map(() => pool.copy(blob, SPOOL));
  for (const task of tasks)
    expect(await rejectionOf(task)).toMatchObject({
      code: "EXPORT_LAYER_THREAD",
      message: expect.stringMatching(/^a worker thread died: /),
      cause: expect.objectContaining({ message: expect.stringMatching(says) }),
      hint: expect.stringContaining("-workers"),
    });
  expect(await rejectionOf(pool.hashFile(entry))).toMatchObject({ code: "EXPORT_LAYER_THREAD" });
});

test("a thread's reply to another task is a fault", async () => {
  const code = 'module.exports = async () => ({ kind: "hash-file-done", sha256: "", size: 0, tarSize: 1 });';
  const entry = join(tempTree({ "confused.cjs": code }), "confused.cjs");
  const pool = new WorkerPool({ compressor: entry, digester: entry }, 1, loadCompression("zstd", 1, ""));
  onTestFinished(() => pool.close());
  const copy = pool.copy({ path: toByteString(entry), digest: "sha256:0" as Digest }, SPOOL);
  expect(await rejectionOf(copy)).toMatchObject({
    code: "EXPORT_INTERNAL",
    message: "a worker thread replied hash-file-done, not copy-done",
  });
});

test("closing a pool fails its tasks in progress, and later ones", async () => {
  const entry = join(tempTree({ "busy.cjs": "module.exports = () => new Promise(() => undefined);" }), "busy.cjs");
  const pool = new WorkerPool({ compressor: entry, digester: entry }, 1, loadCompression("zstd", 1, ""));
  const copy = () => rejectionOf(pool.copy({ path: toByteString(entry), digest: "sha256:0" as Digest }, SPOOL));
  const running = copy();
  await pool.close();
  expect(await running).toMatchObject({ code: "EXPORT_CANCELLED" });
  expect(await copy()).toMatchObject({ code: "EXPORT_CANCELLED" });
});

test("a pool that cannot start all of its threads ends those that it started", async () => {
  const ends: Promise<unknown>[] = [];
  const listeners: number[] = [];
  // In the next tick, because the pool removes the listeners of threads that it ends.
  const watch = (thread: Worker) =>
    process.nextTick(() => {
      listeners.push(thread.listenerCount("error"));
      ends.push(new Promise((resolve) => thread.once("exit", resolve)));
    });
  process.on("worker", watch);
  onTestFinished(() => void process.off("worker", watch));
  const entry = join(tempTree({ "idle.cjs": "module.exports = () => undefined;" }), "idle.cjs");
  const pool = new WorkerPool({ compressor: entry, digester: "file://elsewhere/" }, 2, loadCompression("zstd", 1, ""));
  expect(() => pool.start()).toThrow("a worker thread died");
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(ends).not.toEqual([]);
  // An error that a thread dies of meanwhile would otherwise end the process.
  expect(listeners).not.toContain(0);
  await Promise.all(ends);
});
