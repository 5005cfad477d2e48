import { inflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { buildEncoders } from "../../../../scripts/build-encoder.ts";
import { BLOCK_SIZE } from "../../../../workers/protocol.ts";
import { type InputKind, inputKinds, makeInput, words, zeros } from "../../../support/deflate/deflate-inputs.ts";
import { createEncoderHarness } from "../../../support/deflate/encoder-harness.ts";
import { inflate } from "../../../support/deflate/inflate.ts";

await buildEncoders();
const harness = createEncoderHarness();
const finalBlock = Buffer.from([3, 0]);
const levels = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/**
 * Odd, so that both kinds of content alternate, and coprime to all sizes in the encoder. Testing all lengths takes half
 * a minute.
 */
const STRIDE = Number(process.env.DEFLATE_STRIDE ?? 11);

/** Compresses, checks the bound and the end, inflates with zlib and compares. */
function roundTrip(data: Uint8Array, level: number, name: string): Buffer {
  const output = harness.encode(data, level);
  const bound = harness.deflate.outputBound(data.length);
  if (output.length > bound) throw new Error(`${name}: ${output.length} bytes are over the bound of ${bound}`);
  const stream = Buffer.concat([output, finalBlock]);
  // An empty stored block ends the output, RFC 1951 section 3.2.4.
  if (stream.readUInt32BE(stream.length - 6) !== 0x0000ffff)
    throw new Error(`${name}: no empty stored block at the end`);
  const back = inflateRawSync(stream, { chunkSize: 64 + data.length });
  if (Buffer.compare(back, data) !== 0) throw new Error(`${name}: does not inflate to itself`);
  return stream;
}

describe("round trips through zlib", () => {
  test(`every length up to 4096, and every ${STRIDE}th up to 70,000`, () => {
    // Alternates zeros and words: zeros are one match up to the very end, and words end in every way.
    const kinds: readonly InputKind[] = [zeros, words];
    const inputs = kinds.map((kind) => makeInput(kind, 70_000, 1));
    for (let length = 0; length <= 70_000; length += length < 4096 ? 1 : STRIDE) {
      roundTrip(inputs[length & 1]!.subarray(0, length), 1, `length ${length}`);
    }
  });

  test.each(levels)("strided lengths of every kind at level %i", (level) => {
    for (const [name, kind] of Object.entries(inputKinds)) {
      const input = makeInput(kind, 140_000, level);
      for (let length = 0; length <= 600; length++) {
        roundTrip(input.subarray(0, length), level, `${name}, length ${length}`);
      }
      for (let length = 601; length < 140_000; length += 9_973) {
        roundTrip(input.subarray(0, length), level, `${name}, length ${length}`);
      }
    }
  });

  test.each(levels)("lengths around the limits of sub-blocks and blocks at level %i", (level) => {
    const limits = [65_535, 2 * 65_535, 65_536, 2 * 65_536, 32_768];
    for (const [name, kind] of Object.entries(inputKinds)) {
      const input = makeInput(kind, BLOCK_SIZE, level);
      for (const limit of limits) {
        for (let length = limit - 20; length <= limit + 20; length += 3) {
          roundTrip(input.subarray(0, length), level, `${name}, length ${length}`);
        }
      }
      for (const length of [BLOCK_SIZE - 1, BLOCK_SIZE]) {
        roundTrip(input.subarray(0, length), level, `${name}, length ${length}`);
      }
    }
  });

  test("more literals in a row than a sequence holds", () => {
    // Bytes of 7 bits have no matches either, but are worth a code.
    const noise = makeInput(inputKinds.noise!, 4 * 65_536, 5).map((byte) => byte & 127);
    for (const limit of [65_535, 2 * 65_535]) {
      for (let length = limit - 70; length <= limit + 70; length += 3) {
        const repeated = noise.subarray(length - 300, length);
        const input = Buffer.concat([noise.subarray(0, length), repeated, noise.subarray(length)]);
        const stream = roundTrip(input, 1, `after ${length} literals`);
        expect(stream.length, `after ${length} literals`).toBeLessThan(input.length * 0.9);
      }
    }
  });

  test.each(levels)("no match starts before the input, even with itself a window before it, level %i", (level) => {
    const { bytes, deflate, input, output } = harness;
    const window = 32_768;
    for (const [name, kind] of Object.entries(inputKinds)) {
      const data = makeInput(kind, 2 * window, level);
      bytes.set(data, input);
      bytes.set(data, input + window);
      const size = deflate.encode(input + window, data.length, output, level);
      const stream = Buffer.concat([bytes.subarray(output, output + size), finalBlock]);
      expect(Buffer.compare(inflateRawSync(stream), data), name).toBe(0);
    }
  });

  test("noise is stored within the bound, and costs only its headers", () => {
    const input = makeInput(inputKinds.noise!, BLOCK_SIZE, 3);
    expect(roundTrip(input, 1, "noise").length).toBeLessThanOrEqual(BLOCK_SIZE + 5 * 17 + 5 + 2);
  });

  test("small headers among noise are still compressed", () => {
    const input = makeInput(inputKinds.noise!, BLOCK_SIZE, 4);
    const header = input.slice(0, 512);
    for (let at = 16_384; at + 512 < input.length; at += 16_384) input.set(header, at);
    expect(roundTrip(input, 1, "headers").length).toBeLessThan(BLOCK_SIZE - 63 * 300);
  });
});

describe("round trips through an independent inflater", () => {
  test.each(levels)("all kinds at level %i", (level) => {
    for (const [name, kind] of Object.entries(inputKinds)) {
      for (let seed = 1; seed <= 6; seed++) {
        const length = [0, 1, 700, 66_000, 150_000, 9_999][seed - 1]!;
        const input = makeInput(kind, length, seed * 100 + level);
        const stream = roundTrip(input, level, `${name}, seed ${seed}`);
        expect(Buffer.compare(inflate(stream, length).data, input), `${name}, seed ${seed}`).toBe(0);
      }
    }
  });
});
