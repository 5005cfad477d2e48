import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/**
 * Compiles the DEFLATE encoder (AssemblyScript) to dist/encoder.wasm. Unchanged sources are not compiled again: a hash of all that
 * the output depends on lies beside it. The compiler itself is loaded only when it is needed.
 */
const root = fileURLToPath(new URL("..", import.meta.url));
const sources = new URL("../src/layers/deflate/assembly/", import.meta.url);

/** The part of the compiler's API that is used here (assemblyscript's dist/asc.d.ts). */
interface Compiler {
  main(argv: readonly string[]): Promise<{ readonly error: Error | null; readonly stderr: { toString(): string } }>;
}

export async function buildEncoder(): Promise<"built" | "unchanged"> {
  const output = `${root}dist/encoder.wasm`;
  const hash = sourceHash();
  if (builtHash(output) === hash) return "unchanged";

  // Not a literal: the compiler's types would put a browser's globals into ours.
  const compiler = "assemblyscript/asc";
  const { default: asc }: { default: Compiler } = await import(compiler);
  const config = fileURLToPath(new URL("asconfig.json", sources));
  const temporary = `${output}.${randomUUID()}`;
  mkdirSync(`${root}dist`, { recursive: true });
  const arguments_ = [
    "encode-block.ts",
    "--config",
    config,
    "--baseDir",
    fileURLToPath(sources),
    "--outFile",
    temporary,
  ];
  const { error, stderr } = await asc.main(arguments_);
  if (error) throw new Error(`the DEFLATE encoder does not compile:\n${stderr.toString()}`, { cause: error });
  // Renamed only when whole, so that a build that runs beside this one never sees a part.
  renameSync(temporary, output);
  writeFileSync(`${output}.source`, hash);
  return "built";
}

function sourceHash(): string {
  const hash = createHash("sha256");
  const { version } = createRequire(import.meta.url)("assemblyscript/package.json") as { version: string };
  hash.update(version);
  for (const name of readdirSync(sources).sort()) {
    hash.update(`\0${name}\0`);
    hash.update(readFileSync(new URL(name, sources)));
  }
  return hash.digest("hex");
}

function builtHash(output: string): string | undefined {
  try {
    readFileSync(output);
    return readFileSync(`${output}.source`, "utf8");
  } catch {
    return undefined;
  }
}

if (import.meta.main) console.log(`dist/encoder.wasm: ${await buildEncoder()}`);
