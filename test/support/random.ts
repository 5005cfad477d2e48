import { createCipheriv } from "node:crypto";

/** Random numbers that a seed reproduces (Mulberry32). */
export interface SeededRandom {
  /** 32 bits, unsigned. */
  next(): number;
  /** An integer from 0 up to but without `limit`. */
  below(limit: number): number;
  /** Uniform over the number of bits, up to `bits`: small numbers are frequent. */
  skewed(bits: number): number;
  /** @throws Error if there are no items */
  pick<T>(items: readonly T[]): T;
  bytes(length: number): Uint8Array;
}

export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return (value ^ (value >>> 14)) >>> 0;
  };
  const below = (limit: number): number => next() % limit;
  return {
    next,
    below,
    skewed: (bits) => next() >>> (32 - below(bits) - 1),
    pick: <T>(items: readonly T[]) => {
      if (items.length === 0) throw new Error("nothing to pick from");
      return items[below(items.length)] as T;
    },
    bytes: (length) => {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = next() >>> 24;
      return bytes;
    },
  };
}

/** Incompressible bytes without repetitions, so that a part that is sent twice or omitted changes the digest. */
export function seededBytes(size: number, seed: number): Buffer {
  const key = Buffer.alloc(16);
  key.writeDoubleLE(seed);
  // A hundred times as fast as the generator above.
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}
