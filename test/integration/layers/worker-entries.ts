import { fileURLToPath } from "node:url";
import type { WorkerEntries } from "../../../src/layers/worker-pool.ts";

/** The thread entries as they are in development. */
export const WORKER_ENTRIES: WorkerEntries = {
  compressor: fileURLToPath(new URL("../../../workers/compressor.ts", import.meta.url)),
  digester: fileURLToPath(new URL("../../../workers/digester.ts", import.meta.url)),
};
