import { threadId } from "node:worker_threads";
import { crc32 } from "node:zlib";
import { threadClock } from "../src/concurrency/clock.ts";
import { toWire } from "../src/errors/wire.ts";
import { buildBlock } from "./blocks/block.ts";
import type { BlockEncoder } from "./blocks/encoder.ts";
import {
  type Arena,
  type BlockTask,
  blockLength,
  type CompressorReply,
  type CompressorTask,
  rawBytes,
} from "./protocol.ts";
import { scanSource } from "./scan/scan.ts";

export async function handleTask(task: CompressorTask, arena: Arena, encoder: BlockEncoder): Promise<CompressorReply> {
  try {
    switch (task.kind) {
      case "scan":
        return { kind: "scan-done", indexes: scanSource(task.source) };
      case "stamped-scan":
        return { kind: "stamped-scan-done", ...(await stamps()).scanStamped(task.source) };
      case "stamp":
        return { kind: "stamp-done", stamp: (await stamps()).stampTree(task.source) };
      case "copy": {
        const { copyTar } = await import("./tar/copy.ts");
        return { kind: "copy-done", tarSize: await copyTar(task.source, task.spool) };
      }
      case "block":
        return compressBlock(task, arena, encoder);
    }
  } catch (error) {
    return { kind: "failed", fault: toWire(error) };
  }
}

/** Only creators stamp, and node:crypto takes half a megabyte in each thread. */
function stamps() {
  return import("./scan/stamp.ts");
}

function compressBlock(task: BlockTask, arena: Arena, encoder: BlockEncoder): CompressorReply {
  const startMs = threadClock();
  const length = blockLength(task.tar, task.block);
  const raw = rawBytes(arena, task.slot, length);
  const touched = buildBlock(task.tar, task.block, raw);
  const readMs = threadClock();
  const outputLength = task.compress ? encoder.encode(task.slot, length) : 0;
  const sum = crc32(raw);
  const times = { thread: threadId, startMs, readMs, endMs: threadClock() };
  return { kind: "block-done", length, outputLength, crc32: sum, touched, times };
}
