import { createHash } from "node:crypto";
import { type MessagePort, threadId } from "node:worker_threads";
import { Fault } from "../faults/fault.ts";
import { toWire } from "../faults/wire.ts";
import { threadClock } from "../flow/thread-clock.ts";
import { type Arena, outputBytes, rawBytes } from "./arena.ts";
import { combineCrc32 } from "./crc32-combine.ts";
import { GZIP_HEADER, gzipTrailer } from "./gzip-frame.ts";
import type {
  DigestBlock,
  DigestDone,
  DigestEnd,
  DigesterSetup,
  DigestProgress,
  DigestReply,
  DigestTask,
} from "./messages.ts";
import { writeSpool } from "./write-spool.ts";

/** Consumes a layer's blocks in order: the only sequential stage (docs/architecture.md#principles). */
interface BlockDigester {
  /** Returns the bytes digested so far. */
  take(block: DigestBlock): number;
  finish(): DigestDone;
}

function diffIdDigester(arena: Arena): BlockDigester {
  const hash = createHash("sha256");
  let size = 0;
  let crc32 = 0;
  return {
    take(block) {
      hash.update(rawBytes(arena, block.slot, block.length));
      crc32 = combineCrc32(crc32, block.crc32, block.length);
      size += block.length;
      return size;
    },
    finish: () => ({ kind: "digest-done", sha256: hash.digest("hex"), size, crc32 }),
  };
}

/** Frames the compressed blocks, for gzip as one member, appends them to the spool and digests what it appended. */
function blobDigester({ arena, format }: DigesterSetup, { spool, offset }: DigestTask): BlockDigester {
  const hash = createHash("sha256");
  let size = 0;
  let tarSize = 0;
  let crc32 = 0;
  const append = (bytes: Uint8Array): void => {
    hash.update(bytes);
    writeSpool(spool, bytes, offset + size, "compressed layer");
    size += bytes.length;
  };
  if (format === "gzip") append(GZIP_HEADER);
  return {
    take(block) {
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

/**
 * Runs a digest task: digests every block that comes over the port, tells when its slot is free, and settles at the end.
 * A failure is answered at once; blocks that still come are then ignored.
 */
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
    const size = digester.take(message);
    const times = { thread: threadId, startMs, endMs: threadClock() };
    const progress: DigestProgress = { kind: "progress", slot: message.slot, size, times };
    port.postMessage(progress);
    return undefined;
  }
  if (message.complete) return digester.finish();
  return { kind: "failed", fault: toWire(new Fault("EXPORT_CANCELLED", "the layer's digest was cancelled")) };
}
