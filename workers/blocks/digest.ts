import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { promisify } from "node:util";
import { type MessagePort, threadId } from "node:worker_threads";
import { threadClock } from "../../src/concurrency/clock.ts";
import { Fault } from "../../src/errors/fault.ts";
import { toWire } from "../../src/errors/wire.ts";
import { pathFault } from "../../src/go/errno.ts";
import { combineCrc32, GZIP_HEADER, gzipTrailer } from "../../src/oci/gzip.ts";
import {
  type Arena,
  BLOCK_SIZE,
  type DigestBlock,
  type DigestDone,
  type DigestEnd,
  type DigesterSetup,
  type DigestProgress,
  type DigestReply,
  type DigestTask,
  type HashFileDone,
  type HashFileTask,
  outputBytes,
  rawBytes,
  type TaskFailed,
} from "../protocol.ts";
import { writeSpool } from "./spool.ts";

const open = promisify(fs.open);
const read = promisify(fs.read);
const close = promisify(fs.close);

const READ_SIZE = BLOCK_SIZE;

export async function hashFile({ path }: HashFileTask): Promise<HashFileDone | TaskFailed> {
  try {
    const file = await open(path, "r");
    try {
      return { kind: "hash-file-done", sha256: await hashContents(file) };
    } finally {
      await close(file);
    }
  } catch (error) {
    return { kind: "failed", fault: toWire(pathFault("EXPORT_LAYER_READ", "read", path, error)) };
  }
}

async function hashContents(file: number): Promise<string> {
  const hash = createHash("sha256");
  const buffers = [Buffer.allocUnsafe(READ_SIZE), Buffer.allocUnsafe(READ_SIZE)] as const;
  const next = (buffer: Buffer, from: number) => read(file, buffer, 0, READ_SIZE, from);
  let [current, other]: readonly [Buffer, Buffer] = buffers;
  let position = 0;
  let reading = next(current, position);
  for (;;) {
    const { bytesRead } = await reading;
    if (bytesRead === 0) return hash.digest("hex");
    position += bytesRead;
    reading = next(other, position);
    hash.update(current.subarray(0, bytesRead));
    [current, other] = [other, current];
  }
}

interface BlockDigester {
  consume(block: DigestBlock): number;
  finish(): DigestDone;
}

function diffIdDigester(arena: Arena): BlockDigester {
  const hash = createHash("sha256");
  let size = 0;
  let crc32 = 0;
  return {
    consume(block) {
      hash.update(rawBytes(arena, block.slot, block.length));
      crc32 = combineCrc32(crc32, block.crc32, block.length);
      size += block.length;
      return size;
    },
    finish: () => ({ kind: "digest-done", sha256: hash.digest("hex"), size, crc32 }),
  };
}

function blobDigester({ arena, format }: DigesterSetup, { spool, offset }: DigestTask): BlockDigester {
  const hash = createHash("sha256");
  let size = 0;
  let tarSize = 0;
  let crc32 = 0;
  const append = (bytes: Uint8Array): void => {
    hash.update(bytes);
    if (spool !== undefined) writeSpool(spool, bytes, offset + size, "compressed layer");
    size += bytes.length;
  };
  if (format === "gzip") append(GZIP_HEADER);
  return {
    consume(block) {
      append(outputBytes(arena, block.slot, block.outputLength));
      crc32 = combineCrc32(crc32, block.crc32, block.length);
      tarSize += block.length;
      return size;
    },
    finish() {
      if (format === "gzip") append(gzipTrailer(crc32, tarSize));
      return { kind: "digest-done", sha256: hash.digest("hex"), size, crc32 };
    },
  };
}

/** A failure is a reply too, sent at once; blocks that arrive later are ignored. */
export function digestBlocks(setup: DigesterSetup, task: DigestTask): Promise<DigestReply> {
  const { promise, resolve } = Promise.withResolvers<DigestReply>();
  const finish = (reply: DigestReply): void => {
    task.port.close();
    resolve(reply);
  };
  try {
    const digester = task.kind === "blob" ? blobDigester(setup, task) : diffIdDigester(setup.arena);
    task.port.on("message", (message: DigestBlock | DigestEnd) => {
      try {
        const done = step(digester, message, task.port);
        if (done !== undefined) finish(done);
      } catch (error) {
        finish({ kind: "failed", fault: toWire(error) });
      }
    });
  } catch (error) {
    finish({ kind: "failed", fault: toWire(error) });
  }
  return promise;
}

function step(digester: BlockDigester, message: DigestBlock | DigestEnd, port: MessagePort): DigestReply | undefined {
  if (message.kind === "block") {
    const startMs = threadClock();
    const size = digester.consume(message);
    const times = { thread: threadId, startMs, endMs: threadClock() };
    const progress: DigestProgress = { kind: "progress", slot: message.slot, size, times };
    port.postMessage(progress);
    return undefined;
  }
  if (message.complete) return digester.finish();
  return { kind: "failed", fault: toWire(new Fault("EXPORT_CANCELLED", "the layer's digest was cancelled")) };
}
