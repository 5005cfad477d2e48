import { type SeededRandom, seededRandom } from "../random.ts";

/** Inputs that each exercise the encoder in another way. Equal seeds and lengths give equal bytes. */
export type InputKind = (length: number, random: SeededRandom) => Uint8Array;

export const words: InputKind = (length, random) => {
  const dictionary = Array.from({ length: 300 }, () =>
    random.bytes(2 + random.below(9)).map((byte) => 97 + (byte % 26)),
  );
  const data = new Uint8Array(length + 16).fill(32);
  for (let at = 0; at < length; ) {
    const word = dictionary[random.skewed(8)]!;
    data.set(word.subarray(0, length + 16 - at), at);
    at += word.length + 1;
  }
  return data.subarray(0, length);
};

/**
 * Literals and copies from any distance, over an alphabet of random size; lengths and distances favor small values and
 * limits.
 */
export const copies: InputKind = (length, random) => {
  const data = new Uint8Array(length);
  const alphabet = 1 + random.below(256);
  const longestBits = 1 + random.below(12);
  const farthestBits = 1 + random.below(17);
  const literalBits = 1 + random.below(12);
  for (let at = 0; at < length; ) {
    for (let left = random.skewed(literalBits); left > 0 && at < length; left--) data[at++] = random.below(alphabet);
    if (at === 0) data[at++] = random.below(alphabet);
    const distance = random.below(8) === 0 ? 32_766 + random.below(6) : 1 + random.skewed(farthestBits);
    if (distance > at) continue;
    const run = random.below(16) === 0 ? 254 + random.below(10) : 1 + random.skewed(longestBits);
    for (let left = run; left > 0 && at < length; left--, at++) data[at] = data[at - distance]!;
  }
  return data;
};

/** Incompressible stretches between compressible ones: skipping speeds up there, and must stop again. */
const patches: InputKind = (length, random) => {
  const data = new Uint8Array(length);
  const header = random.bytes(600).map((byte) => byte & 15);
  for (let at = 0; at < length; ) {
    const noise = random.bytes(Math.min(length - at, random.skewed(17)));
    data.set(noise, at);
    at += noise.length;
    const patch = header.subarray(0, Math.min(length - at, random.skewed(10) % 600));
    data.set(patch, at);
    at += patch.length;
  }
  return data;
};

/** Fixed-width records that differ in few places, as tables in libraries do. */
const records: InputKind = (length, random) => {
  const width = 3 + random.below(40);
  const record = random.bytes(width);
  const data = new Uint8Array(length + width);
  for (let at = 0; at < length; at += width) {
    record[random.below(width)] = random.next() & 255;
    data.set(record, at);
  }
  return data.subarray(0, length);
};

const noise: InputKind = (length, random) => random.bytes(length);
export const zeros: InputKind = (length) => new Uint8Array(length);
const oneSymbol: InputKind = (length, random) => new Uint8Array(length).fill(random.below(256));
/** Random over few symbols: coded without matches. */
const smallAlphabet: InputKind = (length, random) => {
  const alphabet = 2 + random.below(127);
  return random.bytes(length).map((byte) => byte % alphabet);
};

export const inputKinds: Readonly<Record<string, InputKind>> = {
  words,
  copies,
  patches,
  records,
  noise,
  zeros,
  oneSymbol,
  smallAlphabet,
};

export function makeInput(kind: InputKind, length: number, seed: number): Uint8Array {
  return kind(length, seededRandom(seed));
}
