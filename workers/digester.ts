import { workerData } from "node:worker_threads";
import { digestBlocks, hashFile } from "./blocks/digest.ts";
import type { DigesterReply, DigesterSetup, DigesterTask } from "./protocol.ts";

/* A thread that hashes blocks in order, and appends compressed ones to the spool (src/engine/threads.ts). */

const setup: DigesterSetup = workerData;

export default (task: DigesterTask): Promise<DigesterReply> =>
  task.kind === "hash-file" ? hashFile(task) : digestBlocks(setup, task);
