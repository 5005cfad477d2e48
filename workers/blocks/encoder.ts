import { constants, zstdCompressSync } from "node:zlib";
import {
  compileDeflate,
  type DeflateWasm,
  instantiateDeflate,
  maxOutputBytes,
  scratchBytes,
} from "../deflate/wasm-encoder.ts";
import {
  type Arena,
  type ArenaNeeds,
  BLOCK_SIZE,
  outputBytes,
  outputOffset,
  rawBytes,
  rawOffset,
  takeScratch,
} from "../protocol.ts";

/** Compresses blocks where they lie. One per thread; it may keep a scratch region of the arena to itself. */
export interface BlockEncoder {
  /**
   * Compresses the first `length` bytes of a slot's tar into its output, by themselves, so that outputs can be joined. The
   * bytes written depend on the input alone.
   * @returns bytes written
   */
  encode(slot: number, length: number): number;
}

/** How layers are compressed: what a thread needs to make its encoder. It can be posted to threads. */
export type Compression =
  | { readonly kind: "gzip"; readonly level: number; readonly module: WebAssembly.Module }
  | { readonly kind: "zstd"; readonly level: number };

/**
 * Loads what the compression needs, once for all threads.
 * @param level 1 (fastest) to 9 (smallest)
 * @param deflate builds of the DEFLATE encoder, the fastest first
 */
export function loadCompression(
  kind: Compression["kind"],
  level: number,
  ...deflate: readonly [DeflateWasm, ...DeflateWasm[]]
): Compression {
  return kind === "zstd" ? { kind, level } : { kind, level, module: compileDeflate(...deflate) };
}

/** zstd's worst case for a block (ZSTD_compressBound in zstd.h) is below this. */
const ZSTD_OUTPUT = BLOCK_SIZE + (BLOCK_SIZE >> 8) + 64;

export function arenaNeeds({ kind }: Compression): ArenaNeeds {
  if (kind === "zstd") return { outputCapacity: ZSTD_OUTPUT, scratch: 0 };
  return { outputCapacity: maxOutputBytes, scratch: scratchBytes };
}

/** This thread's encoder. Call it once per thread. */
export function createEncoder(arena: Arena, compression: Compression): BlockEncoder {
  return compression.kind === "zstd" ? zstdEncoder(arena, compression.level) : deflateEncoder(arena, compression);
}

/** Raw DEFLATE blocks, none of them final, that end on a byte boundary, written in place by WebAssembly. */
function deflateEncoder(arena: Arena, { level, module }: Extract<Compression, { kind: "gzip" }>): BlockEncoder {
  const deflate = instantiateDeflate(module, arena.memory, takeScratch(arena));
  return {
    encode: (slot, length) => deflate.encode(rawOffset(arena, slot), length, outputOffset(arena, slot), level),
  };
}

/** One zstd frame a block (RFC 8878 section 3: frames may be concatenated), by Node's own zstd. */
function zstdEncoder(arena: Arena, level: number): BlockEncoder {
  const options = { params: { [constants.ZSTD_c_compressionLevel]: level } };
  return {
    encode(slot, length) {
      const frame = zstdCompressSync(rawBytes(arena, slot, length), options);
      return frame.copy(outputBytes(arena, slot, frame.length));
    },
  };
}
