import { workerData } from "node:worker_threads";
import { digestBlocks } from "../src/layers/digest-blocks.ts";
import { hashFile } from "../src/layers/hash-file.ts";
import type { DigesterReply, DigesterSetup, DigesterTask } from "../src/layers/messages.ts";

const setup: DigesterSetup = workerData;

export default (task: DigesterTask): Promise<DigesterReply> =>
  task.kind === "hash-file" ? hashFile(task) : digestBlocks(setup, task);
