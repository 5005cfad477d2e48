import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { promisify } from "node:util";
import { pathFault } from "../faults/system-error.ts";
import { toWire } from "../faults/wire.ts";
import type { HashFileDone, HashFileTask, TaskFailed } from "./messages.ts";

const open = promisify(fs.open);
const read = promisify(fs.read);
const close = promisify(fs.close);

/** Bytes read at a time: as many as a block has, so that digests in the same thread wait no longer for it than for each other. */
const READ_SIZE = 1 << 20;

/** Hashes a file; answers a task of the digesting pool. */
export async function hashFile({ path }: HashFileTask): Promise<HashFileDone | TaskFailed> {
  try {
    const file = await open(path, "r");
    try {
      return { kind: "hash-file-done", ...(await hashOf(file)) };
    } finally {
      await close(file);
    }
  } catch (error) {
    return { kind: "failed", fault: toWire(pathFault("EXPORT_LAYER_READ", "read", path, error)) };
  }
}

/** The next part is read while one is hashed. */
async function hashOf(file: number): Promise<{ readonly sha256: string; readonly size: number }> {
  const hash = createHash("sha256");
  const buffers = [Buffer.allocUnsafe(READ_SIZE), Buffer.allocUnsafe(READ_SIZE)] as const;
  const next = (buffer: Buffer, position: number) => read(file, buffer, 0, READ_SIZE, position);
  let [current, other]: readonly [Buffer, Buffer] = buffers;
  let size = 0;
  let reading = next(current, size);
  for (;;) {
    const { bytesRead } = await reading;
    if (bytesRead === 0) return { sha256: hash.digest("hex"), size };
    size += bytesRead;
    reading = next(other, size);
    hash.update(current.subarray(0, bytesRead));
    [current, other] = [other, current];
  }
}
