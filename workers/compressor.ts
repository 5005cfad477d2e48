import { workerData } from "piscina";
import { zlibEncoder } from "../src/layers/block-encoder.ts";
import { answer } from "../src/layers/compress-block.ts";
import type { CompressorReply, CompressorSetup, CompressorTask } from "../src/layers/messages.ts";

const { arena, level }: CompressorSetup = workerData;
const encoder = zlibEncoder(arena, level);

export default (task: CompressorTask): CompressorReply => answer(task, arena, encoder);
