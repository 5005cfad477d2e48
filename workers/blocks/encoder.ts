import { constants, zstdCompressSync } from "node:zlib";
import {
  type Arena,
  BLOCK_SIZE,
  type Compression,
  DEFLATE,
  outputBytes,
  outputOffset,
  rawBytes,
  rawOffset,
  takeScratch,
} from "../protocol.ts";

export interface BlockEncoder {
  /**
   * Compresses the first `length` bytes of a slot's tar into its output. Outputs can be joined (zstd frames: RFC 8878
   * section 3), and depend on the input alone.
   * @returns bytes written
   */
  encode(slot: number, length: number): number;
}

export function createEncoder(arena: Arena, compression: Compression): BlockEncoder {
  return compression.kind === "zstd" ? zstdEncoder(arena, compression.level) : deflateEncoder(arena, compression);
}

function deflateEncoder(arena: Arena, { level, module }: Extract<Compression, { kind: "gzip" }>): BlockEncoder {
  const deflate = instantiateDeflate(module, arena.memory, takeScratch(arena));
  return {
    encode: (slot, length) => deflate.encode(rawOffset(arena, slot), length, outputOffset(arena, slot), level),
  };
}

function zstdEncoder(arena: Arena, level: number): BlockEncoder {
  // One chunk holds the whole output, so that Node.js does not join several.
  const options = { params: { [constants.ZSTD_c_compressionLevel]: level }, chunkSize: arena.needs.outputCapacity };
  return {
    encode(slot, length) {
      const frame = zstdCompressSync(rawBytes(arena, slot, length), options);
      const written = frame.copy(outputBytes(arena, slot, frame.length));
      // Frees the frame now: V8 hardly counts such memory, and would keep up to 30 MB of it in each thread.
      frame.buffer.transfer(0);
      return written;
    },
  };
}

export interface WasmDeflate {
  readonly outputBound: (length: number) => number;
  encode(input: number, length: number, output: number, level: number): number;
}

export function instantiateDeflate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  scratch: number,
): WasmDeflate {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const encoder = exports as unknown as EncoderExports;
  expectEqual("bytes of scratch", encoder.scratchBytes(), DEFLATE.scratch);
  expectEqual("bytes of output for the longest block", encoder.outputBound(BLOCK_SIZE), DEFLATE.maxOutput);
  encoder.init(scratch);
  return {
    outputBound: encoder.outputBound,
    encode(input, length, output, level) {
      // A longer input could overrun the scratch region into another thread's.
      if (length > BLOCK_SIZE) throw new RangeError(`a block of ${length} bytes is longer than ${BLOCK_SIZE}`);
      return encoder.encode(input, length, output, level);
    },
  };
}

interface EncoderExports {
  scratchBytes(): number;
  init(scratch: number): void;
  outputBound(length: number): number;
  encode(input: number, length: number, output: number, level: number): number;
}

function expectEqual(what: string, needed: number, expected: number): void {
  if (needed !== expected) throw new Error(`the DEFLATE encoder needs ${needed} ${what}, not ${expected}`);
}
