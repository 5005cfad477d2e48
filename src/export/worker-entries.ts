import { join } from "node:path";
import type { WorkerEntries } from "../layers/worker-pool.ts";

/** The thread entries: bundles beside this file in a release, sources in a checkout. */
export function workerEntries(): WorkerEntries {
  const { dirname, filename } = import.meta;
  if (filename.endsWith(".cjs"))
    return { compressor: join(dirname, "compressor.cjs"), digester: join(dirname, "digester.cjs") };
  const workers = join(dirname, "..", "..", "workers");
  return { compressor: join(workers, "compressor.ts"), digester: join(workers, "digester.ts") };
}
