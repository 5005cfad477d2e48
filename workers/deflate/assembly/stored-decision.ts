import { storedBits } from "./bit-writer";
import { SYMBOL_COUNTS, scratch } from "./layout";

/**
 * Decides whether a sub-block is better stored: data that is already compressed costs time to code and to decode, and
 * gains nothing. `looksRandom` guesses before any code is made; `savesTooLittle` knows the exact cost, and wants a gain
 * of 1/128 (0.8 %).
 */

/**
 * For a sub-block of which over 98.4 % (63/64) stayed literal: 8 bytes of every 67 are counted, a prime, so that no
 * usual record length hides a part of each record. For n uniformly random bytes the squared counts add up to about n^2
 * / 256 + n; the more skewed, the larger.
 */
export function looksRandom(start: usize, end: usize, literals: usize): bool {
  const length = end - start;
  if (length < 4096 || literals < length - (length >> 6)) return false;
  const counts = scratch + SYMBOL_COUNTS;
  memory.fill(counts, 0, 1024);
  let sampled: u64 = 0;
  for (let at = start; at + 8 <= end; at += 67) {
    let word = load<u64>(at);
    for (let byte = 0; byte < 8; byte++) {
      const counter = counts + ((<usize>word & 255) << 2);
      store<u32>(counter, load<u32>(counter) + 1);
      word >>= 8;
    }
    sampled += 8;
  }
  let squares: u64 = 0;
  for (let counter = counts; counter < counts + 1024; counter += 4) {
    const count = <u64>load<u32>(counter);
    squares += count * count;
  }
  return squares * 25600 < sampled * sampled * 107 + sampled * 25600;
}

export function savesTooLittle(bits: u64, length: usize): bool {
  const stored = storedBits(length);
  return bits > stored - (stored >> 7);
}
