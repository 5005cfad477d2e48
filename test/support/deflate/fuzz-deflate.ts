import { inflateRawSync } from "node:zlib";
import { compileDeflate } from "../../../src/engine/compression.ts";
import { BLOCK_SIZE, DEFLATE } from "../../../workers/protocol.ts";
import { type SeededRandom, seededRandom } from "../random.ts";
import { type InputKind, inputKinds } from "./deflate-inputs.ts";
import { createEncoderHarness, type EncoderHarness, encoderWasm } from "./encoder-harness.ts";
import { inflate } from "./inflate.ts";

/**
 * Differential fuzzing of the encoder: compressed data must inflate to the input, stay within the size bound, and be
 * the same from an encoder with another history and other bytes around the input. A case is defined by its seed alone.
 */
export interface FuzzOptions {
  readonly levels: readonly number[];
  /** Real data to cut inputs from, besides the generated kinds. */
  readonly corpora: readonly Uint8Array[];
  /** Inputs have up to 2^bits bytes. */
  readonly lengthBits: number;
}

export interface FuzzCounts {
  cases: number;
  bytes: number;
  compressedBytes: number;
  independent: number;
}

export function createFuzzer({ levels, corpora, lengthBits }: FuzzOptions): {
  run(seed: number): void;
  counts: FuzzCounts;
} {
  const module = compileDeflate(encoderWasm);
  const first = createEncoderHarness(module);
  const second = createEncoderHarness(module);
  const counts: FuzzCounts = { cases: 0, bytes: 0, compressedBytes: 0, independent: 0 };
  return {
    counts,
    run(seed) {
      const random = seededRandom(seed);
      const data = makeCase(random, corpora, lengthBits);
      const level = random.pick(levels);
      const fail = (what: string): never => {
        throw new Error(`seed ${seed}, level ${level}, ${data.length} bytes: ${what}`);
      };

      const output = Buffer.from(encodeInNoise(first, data, level, random, fail));
      const other = encodeInNoise(second, data, level, random, fail);
      if (!output.equals(other)) fail("another encoder gives other bytes");
      const stream = Buffer.concat([output, Buffer.from([3, 0])]);
      if (Buffer.compare(inflateRawSync(stream, { maxOutputLength: BLOCK_SIZE + 1 }), data) !== 0) {
        fail("zlib inflates it to something else");
      }
      if (data.length < 100_000 && random.below(20) === 0) {
        if (Buffer.compare(inflate(stream, data.length).data, data) !== 0) fail("it inflates to something else");
        counts.independent++;
      }
      counts.cases++;
      counts.bytes += data.length;
      counts.compressedBytes += output.length;
    },
  };
}

/** Encodes between random slack, at a random alignment, and checks that nothing is written beyond the bound. */
function encodeInNoise(
  harness: EncoderHarness,
  data: Uint8Array,
  level: number,
  random: SeededRandom,
  fail: (what: string) => never,
): Uint8Array {
  const { bytes, deflate } = harness;
  const input = harness.input + random.below(Math.min(64, BLOCK_SIZE - data.length + 1));
  // Slack that continues the input is most likely to be matched.
  const period = random.below(3) === 0 ? Math.max(1, random.skewed(8)) : 0;
  bytes.set(data, input);
  const fill = (at: number, inside: number): void => {
    const tempts = period > 0 && inside >= 0 && inside < data.length;
    bytes[input + at] = tempts ? data[inside]! : random.next() & 255;
  };
  for (let i = 0; i < DEFLATE.inputSlack; i++) {
    fill(-1 - i, -1 - i + period);
    fill(data.length + i, data.length + i - period);
  }
  const bound = deflate.outputBound(data.length);
  const canary = random.next() & 255;
  bytes.fill(canary, harness.output + bound, harness.output + bound + 64);
  const size = deflate.encode(input, data.length, harness.output, level);
  if (size > bound) fail(`${size} bytes are over the bound of ${bound}`);
  for (let i = 0; i < 64; i++) if (bytes[harness.output + bound + i] !== canary) fail("written beyond the bound");
  return bytes.subarray(harness.output, harness.output + size);
}

function makeCase(random: SeededRandom, corpora: readonly Uint8Array[], lengthBits: number): Uint8Array {
  const length = random.below(50) === 0 ? 1 << lengthBits : random.skewed(lengthBits);
  switch (random.below(corpora.length > 0 ? 6 : 3)) {
    case 0:
      return generate(length, random);
    case 1:
      return splice(generate(length, random), generate(length, random), random);
    case 2:
      return skipEdges(length, random);
    case 3:
      return cut(corpora, length, random);
    case 4:
      return mutate(cut(corpora, length, random), random);
    default:
      return splice(cut(corpora, length, random), generate(length, random), random);
  }
}

function generate(length: number, random: SeededRandom): Uint8Array {
  const kinds: InputKind[] = Object.values(inputKinds);
  return random.pick(kinds)(length, random);
}

function cut(corpora: readonly Uint8Array[], length: number, random: SeededRandom): Uint8Array {
  const corpus = random.pick(corpora);
  const start = random.below(Math.max(1, corpus.length - length));
  return corpus.slice(start, start + length);
}

function mutate(data: Uint8Array, random: SeededRandom): Uint8Array {
  if (data.length === 0) return data;
  for (let left = random.skewed(10); left > 0; left--) {
    const at = random.below(data.length);
    const length = Math.min(random.skewed(12), data.length - at);
    const kind = random.below(4);
    if (kind === 0) data[at] = random.next() & 255;
    else if (kind === 1) data.copyWithin(random.below(data.length), at, at + length);
    else if (kind === 2) data.fill(random.below(4), at, at + length);
    else for (let i = 0; i < Math.min(length, 40); i++) data[at + i]! ^= 1 << random.below(8);
  }
  return data;
}

function splice(data: Uint8Array, other: Uint8Array, random: SeededRandom): Uint8Array {
  if (data.length === 0) return data;
  for (let left = random.skewed(6); left > 0; left--) {
    const from = random.below(other.length + 1);
    const at = random.below(data.length);
    const length = Math.min(random.skewed(16), data.length - at);
    data.set(other.subarray(from, from + length), at);
  }
  return data;
}

/**
 * Noise that ends at or just before the limits, with a repetition at the very end, where skipping has the longest
 * steps.
 */
function skipEdges(length: number, random: SeededRandom): Uint8Array {
  const limit = random.below(3) === 0 ? 65_535 * (1 + random.below(3)) : length;
  const total = Math.min(BLOCK_SIZE, Math.max(0, limit + random.below(140) - 70));
  const data = random.bytes(total);
  const repeat = 3 + random.below(80);
  for (let left = random.below(4); left > 0 && total > 2 * repeat + 70; left--) {
    const from = random.below(total - repeat);
    data.copyWithin(Math.max(0, total - repeat - random.below(70)), from, from + repeat);
  }
  if (random.below(3) === 0) data.fill(random.below(256), Math.max(0, total - random.below(100)));
  return data;
}
