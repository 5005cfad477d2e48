import { fileURLToPath } from "node:url";
import { type Compression, loadCompression } from "../../../src/layers/block-encoder.ts";
import type { WorkerEntries } from "../../../src/layers/worker-pool.ts";

/** The thread entries as they are in development. */
export const WORKER_ENTRIES: WorkerEntries = {
  compressor: fileURLToPath(new URL("../../../workers/compressor.ts", import.meta.url)),
  digester: fileURLToPath(new URL("../../../workers/digester.ts", import.meta.url)),
};

/** The DEFLATE encoder at its fastest; the build before the tests makes it. */
export function fastestGzip(): Compression {
  return loadCompression("gzip", 1, new URL("../../../dist/encoder.wasm", import.meta.url));
}
