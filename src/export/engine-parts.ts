import { readFileSync } from "node:fs";
import { join } from "node:path";
import { getAsset, getRawAsset, isSea } from "node:sea";
import type { WorkerEntries } from "../layers/worker-pool.ts";

/** Where the parts of the engine are that are no code of the main thread. */
export interface EngineParts {
  readonly entries: WorkerEntries;
  /** The compiled DEFLATE encoder, or its file. */
  readonly deflateWasm: string | Uint8Array<ArrayBuffer>;
}

/** Threads of the one executable file find their entries below this, which is no directory (workers/embedded.ts). */
const EMBEDDED = "/tandem/";

/** Parts of the executable file; or bundles beside this file in a release; or sources in a checkout. */
export function engineParts(): EngineParts {
  if (isSea())
    return { entries: entriesIn(EMBEDDED, "cjs"), deflateWasm: new Uint8Array(getRawAsset("encoder.wasm").slice(0)) };
  const directory = import.meta.dirname;
  if (import.meta.filename.endsWith(".cjs"))
    return { entries: entriesIn(directory, "cjs"), deflateWasm: join(directory, "encoder.wasm") };
  const root = join(directory, "..", "..");
  return { entries: entriesIn(join(root, "workers"), "ts"), deflateWasm: join(root, "dist", "encoder.wasm") };
}

/** The page that shows a timeline, without one; the build leaves it where the encoder is. @throws Error when it cannot be read */
export function timelinePage(): string {
  if (isSea()) return getAsset("timeline.html", "utf8");
  const { deflateWasm } = engineParts();
  return readFileSync(join(String(deflateWasm), "..", "timeline.html"), "utf8");
}

function entriesIn(directory: string, extension: string): WorkerEntries {
  const entry = (name: string) => join(directory, `${name}.${extension}`);
  return { compressor: entry("compressor"), digester: entry("digester") };
}
