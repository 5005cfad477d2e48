import { threadId } from "node:worker_threads";
import { crc32 } from "node:zlib";
import { threadClock } from "../../src/concurrency/clock.ts";
import { toWire } from "../../src/errors/wire.ts";
import {
  type Arena,
  type BlockTask,
  blockLength,
  type CompressorReply,
  type CompressorTask,
  type CopyTask,
  rawBytes,
  type StampedScanTask,
  type StampTask,
} from "../protocol.ts";
import { scanSource } from "../scan/scan.ts";
import { buildBlock } from "./block.ts";
import type { BlockEncoder } from "./encoder.ts";

export async function handleTask(task: CompressorTask, arena: Arena, encoder: BlockEncoder): Promise<CompressorReply> {
  try {
    switch (task.kind) {
      case "scan":
        return { kind: "scan-done", indexes: scanSource(task.source) };
      case "stamped-scan":
        return await stampedScan(task);
      case "stamp":
        return await stamp(task);
      case "copy":
        return { kind: "copy-done", tarSize: await copyTar(task) };
      case "block":
        return compressBlock(task, arena, encoder);
    }
  } catch (error) {
    return { kind: "failed", fault: toWire(error) };
  }
}

async function copyTar({ source, spool }: CopyTask): Promise<number> {
  const copy = await import("../tar/copy.ts");
  return await copy.copyTar(source, spool);
}

async function stampedScan({ source }: StampedScanTask): Promise<CompressorReply> {
  // Only creators stamp, and node:crypto takes half a megabyte in each thread.
  const { scanStamped } = await import("../scan/stamp.ts");
  return { kind: "stamped-scan-done", ...scanStamped(source) };
}

async function stamp({ source }: StampTask): Promise<CompressorReply> {
  const { stampTree } = await import("../scan/stamp.ts");
  return { kind: "stamp-done", stamp: stampTree(source) };
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
