import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, runScript } from "./script.ts";

const dist = join(ROOT, "dist");
const sources = join(ROOT, "workers", "deflate", "assembly");

/** Names in dist/, with flags for the compiler. */
export const ENCODERS = [
  { name: "encoder.wasm", flags: ["--enable", "simd"] },
  { name: "encoder-scalar.wasm", flags: [] },
] as const;

/** The part of the compiler's API in use (assemblyscript's dist/asc.d.ts). */
interface Compiler {
  main(argv: readonly string[]): Promise<{ readonly error: Error | null; readonly stderr: { toString(): string } }>;
}

/**
 * Compiles the DEFLATE encoder (AssemblyScript) to dist/, unless a hash of all inputs beside the output is unchanged.
 * Loads the compiler only if needed.
 */
export async function buildEncoders(): Promise<"built" | "unchanged"> {
  const hash = sourceHash();
  const hashFile = join(dist, "encoder.source");
  if (ENCODERS.every(({ name }) => existsSync(join(dist, name))) && readIfPossible(hashFile) === hash)
    return "unchanged";

  // Not a literal, because the compiler's types would add a browser's globals to the project's.
  const compiler = "assemblyscript/asc";
  const { default: asc }: { default: Compiler } = await import(compiler);
  mkdirSync(dist, { recursive: true });
  // A build that is interrupted leaves encoders of different sources.
  rmSync(hashFile, { force: true });
  for (const { name, flags } of ENCODERS) await compile(asc, join(dist, name), flags);
  writeFileSync(hashFile, hash);
  return "built";
}

async function compile(asc: Compiler, output: string, flags: readonly string[]): Promise<void> {
  const temporary = `${output}.${randomUUID()}`;
  const paths = ["--config", join(sources, "asconfig.json"), "--baseDir", sources, "--outFile", temporary];
  const { error, stderr } = await asc.main(["encode-block.ts", ...paths, ...flags]);
  if (error) throw new Error(`the DEFLATE encoder does not compile:\n${stderr.toString()}`, { cause: error });
  // Renamed once complete, so that a concurrent build never reads a partial file.
  renameSync(temporary, output);
}

function sourceHash(): string {
  const hash = createHash("sha256");
  const { version } = createRequire(import.meta.url)("assemblyscript/package.json") as { version: string };
  hash.update(version);
  hash.update(JSON.stringify(ENCODERS));
  for (const name of readdirSync(sources).sort()) {
    hash.update(`\0${name}\0`);
    hash.update(readFileSync(join(sources, name)));
  }
  return hash.digest("hex");
}

function readIfPossible(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

const USAGE = `node scripts/with-runtime.mjs scripts/build-encoder.ts

Compiles the DEFLATE encoder, unless it is up to date. Takes no arguments.`;

async function main(args: readonly string[]): Promise<void> {
  parseArgs({ args, options: {} });
  console.log(`the DEFLATE encoder: ${await buildEncoders()}`);
}

if (import.meta.main) await runScript(USAGE, main);
