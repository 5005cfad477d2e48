import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { getAsset, getRawAsset, isSea } from "node:sea";
import type { DeflateWasm } from "./engine/compression.ts";
import type { WorkerEntries } from "./engine/threads.ts";
import { Fault } from "./errors/fault.ts";

export interface EngineAssets {
  readonly entries: WorkerEntries & { readonly uploader: string };
  readonly deflate: readonly [DeflateWasm, ...DeflateWasm[]];
}

/** The threads' entries in the single executable. It is not a directory (workers/embedded.ts). */
const EMBEDDED = "/tandem/";

/**
 * Uses the assets of the single executable, the bundles beside this file in a release, or the sources in a checkout.
 * @throws Fault if the encoder is not built
 */
export function engineAssets(): EngineAssets {
  if (isSea()) return { entries: entriesIn(EMBEDDED, "cjs"), deflate: [asset(ENCODERS[0]), asset(ENCODERS[1])] };
  const directory = builtDirectory();
  const entries = isBundled() ? entriesIn(directory, "cjs") : entriesIn(join(directory, "..", "workers"), "ts");
  return { entries, deflate: [built(ENCODERS[0]), built(ENCODERS[1])] };
}

export function timelinePage(): string {
  return isSea() ? getAsset("timeline.html", "utf8") : readFileSync(built("timeline.html"), "utf8");
}

const ENCODERS = ["encoder.wasm", "encoder-scalar.wasm"] as const;

function isBundled(): boolean {
  return import.meta.filename.endsWith(".cjs");
}

function builtDirectory(): string {
  return isBundled() ? import.meta.dirname : join(import.meta.dirname, "..", "dist");
}

function asset(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(getRawAsset(name).slice(0));
}

function built(name: string): string {
  const path = join(builtDirectory(), name);
  if (existsSync(path)) return path;
  const command = `run npm run build in ${dirname(builtDirectory())}`;
  throw new Fault("EXPORT_SYSTEM", `tandem is not built (${path} is missing): ${command}`, {
    hint: "Build it there, or use a release. If a bundler copied the library into a program, leave it external.",
  });
}

function entriesIn(directory: string, extension: string): EngineAssets["entries"] {
  const entry = (name: string) => join(directory, `${name}.${extension}`);
  return { compressor: entry("compressor"), digester: entry("digester"), uploader: entry("uploader") };
}
