import { createHash } from "node:crypto";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { buildEncoders } from "../../../../scripts/build-encoder.ts";
import { compileDeflate } from "../../../../src/engine/compression.ts";
import { instantiateDeflate } from "../../../../workers/blocks/encoder.ts";
import { BLOCK_SIZE, DEFLATE } from "../../../../workers/protocol.ts";
import { copies, inputKinds, makeInput, words } from "../../../support/deflate/deflate-inputs.ts";
import type { EncodeWorkerData } from "../../../support/deflate/encode-worker.ts";
import { createEncoderHarness, encoderWasm, scalarEncoderWasm } from "../../../support/deflate/encoder-harness.ts";

await buildEncoders();
const module = compileDeflate(encoderWasm);
const levels = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const lengths = [1, 15, 16, 17, 18, 100, 65_535, 65_551, 131_070, 200_000];

/** True if the first byte is 0xa5 and each equals the next. */
const isFilled = (bytes: Uint8Array): boolean =>
  bytes.length === 0 || (bytes[0] === 0xa5 && Buffer.compare(bytes.subarray(1), bytes.subarray(0, -1)) === 0);

const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("the output depends only on the input and the level", () => {
  test.each(levels)("not on the bytes around the input, level %i", (level) => {
    const harness = createEncoderHarness(module);
    const { bytes, input } = harness;
    for (const [name, kind] of Object.entries(inputKinds)) {
      for (const length of lengths) {
        const data = makeInput(kind, length, length + level);
        const outputs = new Set<string>();
        const fills: ((at: number) => number)[] = [
          () => 0,
          () => 255,
          // Bytes that continue a match: the input's own end and start.
          (at) => data[(at + length) % length]!,
          (at) => data[length - 1 - (Math.abs(at) % length)]!,
          (at) => (at * 167) & 255,
        ];
        for (const fill of fills) {
          for (let at = 1; at <= DEFLATE.inputSlack; at++) {
            bytes[input - at] = fill((-at % length) + length);
            bytes[input + length + at - 1] = fill(length + at - 1);
          }
          outputs.add(hash(harness.encode(data, level)));
        }
        expect(outputs.size, `${name}, length ${length}`).toBe(1);
      }
    }
  });

  const earlier = new Map(lengths.map((length) => [length, makeInput(copies, 150_000, length)]));

  test.each(levels)("not on earlier blocks, level %i", (level) => {
    const used = createEncoderHarness(module);
    for (const [name, kind] of Object.entries(inputKinds)) {
      for (const length of lengths) {
        used.encode(earlier.get(length)!, ((level + length) % 9) + 1);
        const data = makeInput(kind, length, length * 3 + level);
        const fresh = createEncoderHarness(module);
        expect(hash(used.encode(data, level)), `${name}, length ${length}`).toBe(hash(fresh.encode(data, level)));
      }
    }
  });

  test.each(levels)("not on the address of the input, level %i", (level) => {
    const harness = createEncoderHarness(module);
    const data = makeInput(words, 100_000, level);
    const first = hash(harness.encode(data, level));
    for (const offset of [1, 4_097, 65_536]) {
      harness.bytes.set(data, harness.input + offset);
      const size = harness.deflate.encode(harness.input + offset, data.length, harness.output, level);
      expect(hash(harness.bytes.subarray(harness.output, harness.output + size))).toBe(first);
    }
  });

  test.each(levels)("not on how close the input is to the start of the memory, level %i", (level) => {
    const data = makeInput(words, 100_000, level);
    const expected = hash(createEncoderHarness(module).encode(data, level));
    const [input, output, scratch] = [DEFLATE.inputSlack, 3 * BLOCK_SIZE, 2 * BLOCK_SIZE];
    const memory = new WebAssembly.Memory({ initial: 80, maximum: 80, shared: true });
    const deflate = instantiateDeflate(module, memory, scratch);
    const bytes = new Uint8Array(memory.buffer);
    bytes.set(data, input);
    const size = deflate.encode(input, data.length, output, level);
    expect(hash(bytes.subarray(output, output + size))).toBe(expected);
  });

  test.each(levels)("not on whether the CPU has SIMD, level %i", (level) => {
    const [simd, scalar] = [createEncoderHarness(module), createEncoderHarness(compileDeflate(scalarEncoderWasm))];
    for (const [name, kind] of Object.entries(inputKinds)) {
      for (const length of lengths) {
        const data = makeInput(kind, length, length * 5 + level);
        expect(hash(scalar.encode(data, level)), `${name}, length ${length}`).toBe(hash(simd.encode(data, level)));
      }
    }
  });

  test("not on another instance in the same memory", async () => {
    const rounds = 8;
    const inputs = Object.values(inputKinds).map((kind, seed) => makeInput(kind, 150_000, seed));
    const alone = createEncoderHarness(module);
    const expected = inputs.flatMap((data) => levels.map((level) => hash(alone.encode(data, level))));

    const stride = BLOCK_SIZE + (1 << 16);
    const memory = new WebAssembly.Memory({ initial: 400, maximum: 500, shared: true });
    const bytes = new Uint8Array(memory.buffer);
    const firstInput = 65_536 + 2 * DEFLATE.scratch + DEFLATE.inputSlack;
    const spread = inputs.map((data, i) => {
      const at = firstInput + i * (150_000 + 2 * DEFLATE.inputSlack);
      bytes.set(data, at);
      return { at, length: data.length };
    });
    const firstOutput = firstInput + 2 * stride;
    const hashes = await Promise.all(
      [0, 1].map(async (worker) => {
        const workerData: EncodeWorkerData = {
          module,
          memory,
          scratch: 65_536 + worker * DEFLATE.scratch,
          output: firstOutput + worker * stride,
          inputs: spread,
          levels,
          rounds,
        };
        const thread = new Worker(new URL("../../../support/deflate/encode-worker.ts", import.meta.url), {
          workerData,
        });
        const [result] = (await once(thread, "message")) as [string[]];
        await thread.terminate();
        return result;
      }),
    );
    const all = Array.from({ length: rounds }, () => expected).flat();
    expect(hashes[0]).toEqual(all);
    expect(hashes[1]).toEqual(all);
  });
});

describe("the memory", () => {
  test("is written only in the scratch region and the output", () => {
    const harness = createEncoderHarness(module);
    const { bytes, deflate, scratch, input, output } = harness;
    for (const [name, kind] of Object.entries(inputKinds)) {
      for (const length of [0, 1, 300, 65_536, BLOCK_SIZE]) {
        const data = makeInput(kind, length, 5);
        for (const level of [1, 5, 9]) {
          bytes.fill(0xa5, 0, scratch);
          bytes.fill(0xa5, scratch + DEFLATE.scratch);
          harness.encode(data, level);
          const untouched = [
            bytes.subarray(0, scratch),
            bytes.subarray(scratch + DEFLATE.scratch, input),
            bytes.subarray(input + length, output),
            bytes.subarray(output + deflate.outputBound(length)),
          ];
          for (const region of untouched) {
            expect(isFilled(region), `${name}, ${length}, level ${level}`).toBe(true);
          }
          expect(Buffer.compare(bytes.subarray(input, input + length), data)).toBe(0);
        }
      }
    }
  });

  test("may have any maximum that the module allows", () => {
    expect(DEFLATE.maxMemoryPages).toBe(65_535);
    const memory = new WebAssembly.Memory({ initial: 20, maximum: DEFLATE.maxMemoryPages, shared: true });
    new WebAssembly.Instance(module, { env: { memory } });
    const larger = new WebAssembly.Memory({ initial: 20, maximum: DEFLATE.maxMemoryPages + 1, shared: true });
    expect(() => new WebAssembly.Instance(module, { env: { memory: larger } })).toThrow();
  });
});
