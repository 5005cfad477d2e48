import { workerData } from "node:worker_threads";
import { z } from "zod";
import { blockCount } from "../../../workers/protocol.ts";
import { scanSource } from "../../../workers/scan/scan.ts";
import { stageRunner } from "./stage-costs.ts";

/*
 * A thread that builds blocks until it is terminated. It keeps another core as busy as in an export, because cores
 * share caches and memory.
 */

const { path } = z.object({ path: z.string() }).parse(workerData);
const run = stageRunner();
const [index] = scanSource({ kind: "directory", path, uid: 0, gid: 0 });
if (index === undefined) throw new Error(`no tar index for ${path}`);
for (let block = 0; ; block = (block + 1) % blockCount(index)) run.make(index, block);
