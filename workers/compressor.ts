import { workerData } from "node:worker_threads";
import { handleTask } from "./blocks/compress.ts";
import { createEncoder } from "./blocks/encoder.ts";
import type { CompressorReply, CompressorSetup, CompressorTask } from "./protocol.ts";

const { arena, compression }: CompressorSetup = workerData;
const encoder = createEncoder(arena, compression);

export default (task: CompressorTask): Promise<CompressorReply> => handleTask(task, arena, encoder);
