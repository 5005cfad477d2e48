import { compileDeflate } from "../../../src/engine/compression.ts";
import { instantiateDeflate, type WasmDeflate } from "../../../workers/blocks/encoder.ts";
import { BLOCK_SIZE, DEFLATE } from "../../../workers/protocol.ts";

/** One encoder with its own memory: reserved page, scratch, slack, input, slack, output. */
export interface EncoderHarness {
  readonly memory: WebAssembly.Memory;
  readonly deflate: WasmDeflate;
  readonly scratch: number;
  readonly input: number;
  readonly output: number;
  readonly bytes: Uint8Array;
  /** Returns the output in place: the next call overwrites it. */
  encode(data: Uint8Array, level: number): Uint8Array;
}

const pageBytes = 65_536;

export const encoderWasm = new URL("../../../dist/encoder.wasm", import.meta.url);

export const scalarEncoderWasm = new URL("../../../dist/encoder-scalar.wasm", import.meta.url);

export function createEncoderHarness(module = compileDeflate(encoderWasm)): EncoderHarness {
  const scratch = pageBytes;
  const input = scratch + DEFLATE.scratch + DEFLATE.inputSlack;
  const output = input + BLOCK_SIZE + DEFLATE.inputSlack;
  const pages = Math.ceil((output + DEFLATE.maxOutput + DEFLATE.inputSlack) / pageBytes);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const deflate = instantiateDeflate(module, memory, scratch);
  const bytes = new Uint8Array(memory.buffer);
  return {
    memory,
    deflate,
    scratch,
    input,
    output,
    bytes,
    encode(data, level) {
      bytes.set(data, input);
      return bytes.subarray(output, output + deflate.encode(input, data.length, output, level));
    },
  };
}
