import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { getAsset, getRawAsset, isSea } from "node:sea";
import type { DeflateWasm } from "./engine/compression.ts";
import type { WorkerEntries } from "./engine/pool.ts";
import { Fault } from "./errors/fault.ts";

/** Where the parts of the engine are that are no code of the main thread. */
export interface EngineParts {
  readonly entries: WorkerEntries;
  /** Builds of the DEFLATE encoder, the fastest first. */
  readonly deflate: readonly [DeflateWasm, ...DeflateWasm[]];
}

/** Threads of the one executable file find their entries below this, which is no directory (workers/embedded.ts). */
const EMBEDDED = "/tandem/";

/**
 * Parts of the executable file; or bundles beside this file in a release; or sources in a checkout.
 * @throws Fault when the encoder was not built
 */
export function engineParts(): EngineParts {
  if (isSea()) return { entries: entriesIn(EMBEDDED, "cjs"), deflate: [asset(ENCODERS[0]), asset(ENCODERS[1])] };
  const directory = builtDirectory();
  const entries = isBundled() ? entriesIn(directory, "cjs") : entriesIn(join(directory, "..", "workers"), "ts");
  return { entries, deflate: [built(ENCODERS[0]), built(ENCODERS[1])] };
}

/** The page that shows a timeline, without one. @throws Fault when it was not built; Error when it cannot be read */
export function timelinePage(): string {
  return isSea() ? getAsset("timeline.html", "utf8") : readFileSync(built("timeline.html"), "utf8");
}

/** With SIMD, and without. */
const ENCODERS = ["encoder.wasm", "encoder-scalar.wasm"] as const;

function isBundled(): boolean {
  return import.meta.filename.endsWith(".cjs");
}

/** Where the build leaves its products, and the bundles are. */
function builtDirectory(): string {
  return isBundled() ? import.meta.dirname : join(import.meta.dirname, "..", "dist");
}

function asset(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(getRawAsset(name).slice(0));
}

/** The path of a product of the build. @throws Fault when it is not there */
function built(name: string): string {
  const path = join(builtDirectory(), name);
  if (existsSync(path)) return path;
  const command = `run npm run build in ${dirname(builtDirectory())}`;
  throw new Fault("EXPORT_SYSTEM", `tandem is not built (${path} is missing): ${command}`, {
    hint: "Build it there, or use a release.",
  });
}

function entriesIn(directory: string, extension: string): WorkerEntries {
  const entry = (name: string) => join(directory, `${name}.${extension}`);
  return { compressor: entry("compressor"), digester: entry("digester") };
}
