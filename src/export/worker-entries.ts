import { join } from "node:path";
import type { WorkerEntries } from "../layers/worker-pool.ts";

/** The thread entries: bundles beside this file in a release, sources in a checkout. */
export function workerEntries(): WorkerEntries {
  const directory = import.meta.dirname;
  if (import.meta.filename.endsWith(".cjs"))
    return { compressor: join(directory, "compressor.cjs"), digester: join(directory, "digester.cjs") };
  const workers = join(directory, "..", "..", "workers");
  return { compressor: join(workers, "compressor.ts"), digester: join(workers, "digester.ts") };
}

/** The compiled DEFLATE encoder, which the build leaves in dist/. */
export function deflateWasm(): string {
  const directory = import.meta.dirname;
  return import.meta.filename.endsWith(".cjs")
    ? join(directory, "encoder.wasm")
    : join(directory, "..", "..", "dist", "encoder.wasm");
}
