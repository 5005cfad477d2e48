import { setPriority } from "node:os";
import { workerData } from "node:worker_threads";
import { handleTask } from "./blocks/compress.ts";
import { createEncoder } from "./blocks/encoder.ts";
import type { CompressorReply, CompressorSetup, CompressorTask } from "./protocol.ts";

const { arena, compression, niceness }: CompressorSetup = workerData;
// On Linux this is the priority of the calling thread alone (setpriority(2), C library/kernel differences).
if (niceness > 0) setPriority(niceness);
const encoder = createEncoder(arena, compression);

export default (task: CompressorTask): Promise<CompressorReply> => handleTask(task, arena, encoder);
