import { readFileSync } from "node:fs";
import { type ArenaNeeds, BLOCK_SIZE, type Compression, DEFLATE } from "../../workers/protocol.ts";

export type DeflateWasm = URL | string | Uint8Array<ArrayBuffer>;

/**
 * Loads the encoder once for all threads.
 * @param level 1 (fastest) to 9 (smallest)
 * @param deflate builds of the DEFLATE encoder, fastest first; all write the same bytes
 */
export function loadCompression(
  kind: Compression["kind"],
  level: number,
  ...deflate: readonly [DeflateWasm, ...DeflateWasm[]]
): Compression {
  return kind === "zstd" ? { kind, level } : { kind, level, module: compileDeflate(...deflate) };
}

export function compileDeflate(wasm: DeflateWasm, ...others: readonly DeflateWasm[]): WebAssembly.Module {
  const code = wasm instanceof Uint8Array ? wasm : readFileSync(wasm);
  try {
    return new WebAssembly.Module(code);
  } catch (error) {
    const [next, ...rest] = others;
    if (next === undefined) throw error;
    return compileDeflate(next, ...rest);
  }
}

const ZSTD_OUTPUT = BLOCK_SIZE + (BLOCK_SIZE >> 8) + 64;

export function arenaNeeds({ kind }: Pick<Compression, "kind">): ArenaNeeds {
  if (kind === "zstd") return { outputCapacity: ZSTD_OUTPUT, scratch: 0 };
  return { outputCapacity: DEFLATE.maxOutput, scratch: DEFLATE.scratch };
}
