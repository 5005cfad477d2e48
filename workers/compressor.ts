import { workerData } from "node:worker_threads";
import { createEncoder } from "../src/layers/block-encoder.ts";
import { answer } from "../src/layers/compress-block.ts";
import type { CompressorReply, CompressorSetup, CompressorTask } from "../src/layers/messages.ts";

const { arena, compression }: CompressorSetup = workerData;
const encoder = createEncoder(arena, compression);

export default (task: CompressorTask): Promise<CompressorReply> => answer(task, arena, encoder);
