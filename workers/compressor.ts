import { workerData } from "node:worker_threads";
import { createEncoder } from "./blocks/encoder.ts";
import { handleTask } from "./compressor-tasks.ts";
import type { CompressorReply, CompressorSetup, CompressorTask } from "./protocol.ts";

/* A thread that scans layers, and builds and compresses blocks (src/engine/threads.ts). */

const { arena, compression }: CompressorSetup = workerData;
const encoder = createEncoder(arena, compression);

export default (task: CompressorTask): Promise<CompressorReply> => handleTask(task, arena, encoder);
