import { readFileSync } from "node:fs";

/**
 * The DEFLATE encoder (RFC 1951) in WebAssembly. One shared memory holds the blocks, their outputs and a scratch region for each
 * worker; every worker has an instance of its own on it. Compressed blocks depend on their input and level alone.
 */
export interface WasmDeflate {
  /** Bytes that `encode` may touch from `output` on. */
  readonly outputBound: (length: number) => number;
  /**
   * Compresses `length` bytes (at most `maxBlockBytes`) at `input` to `output` and returns the compressed length. 128 bytes of any
   * content must be readable before and after the input. What is written are raw blocks, none of them final, that end at a byte
   * (an empty stored block, RFC 1951 section 3.2.4), so outputs can be joined; `03 00`, an empty final block, ends the stream.
   */
  encode(input: number, length: number, output: number, level: number): number;
}

/** Longest input of one `encode`. */
export const maxBlockBytes = 1 << 20;

/** Readable bytes that an input needs before and after it. */
export const inputSlackBytes = 128;

/** Output bytes of the longest input at worst: all stored, in its headers, and room for the encoder's last 8-byte store. */
export const maxOutputBytes = 1_048_762;

/** Bytes of one instance's scratch region, known before any instance exists; its base must be aligned to 16. */
export const scratchBytes = 720_896;

/** The memory's maximum may be no larger: 65,535 pages of 64 KiB, as the module declares. The first page stays unused. */
export const maxMemoryPages = 65_535;

/** A build of the encoder, or its file. */
export type DeflateWasm = URL | string | Uint8Array<ArrayBuffer>;

/**
 * Compiles once; a module can be posted to workers.
 * @param others builds for CPUs that cannot run the first; all give the same bytes
 */
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

/** Makes one thread's instance on the shared memory. `scratch` is the base of a region of `scratchBytes` that no one else uses. */
export function instantiateDeflate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  scratch: number,
): WasmDeflate {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const encoder = exports as unknown as EncoderExports;
  expectEqual("bytes of scratch", encoder.scratchBytes(), scratchBytes);
  expectEqual("bytes of output for the longest block", encoder.outputBound(maxBlockBytes), maxOutputBytes);
  encoder.init(scratch);
  return {
    outputBound: encoder.outputBound,
    encode(input, length, output, level) {
      // A longer input could overrun the scratch region, and with it another worker's.
      if (length > maxBlockBytes) throw new RangeError(`a block of ${length} bytes is longer than ${maxBlockBytes}`);
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

/** The constants above are known before there is a module; a module that differs would overrun what was laid out by them. */
function expectEqual(what: string, needed: number, expected: number): void {
  if (needed !== expected) throw new Error(`the DEFLATE encoder needs ${needed} ${what}, not ${expected}`);
}
