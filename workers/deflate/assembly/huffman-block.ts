import { bitCount, output, resumeBits } from "./bit-writer";
import {
  NO_LITERAL,
  distanceBits,
  distanceCode,
  distanceEntry,
  literalCode,
  literalEntry,
  literalFactor,
  writeEntries,
} from "./code-entries";
import { planHeader, putHeader } from "./code-lengths";
import { makeCode } from "./huffman";
import {
  CODE_LENGTHS,
  DISTANCE_CODES,
  DISTANCE_COUNTS,
  DISTANCE_LENGTHS,
  LENGTH_CODES,
  LENGTH_EXTRA,
  LITERALS,
  SEQUENCES,
  SYMBOL_CODES,
  SYMBOL_COUNTS,
  scratch,
} from "./layout";
import { lastSequence } from "./sequences";

/**
 * A block with dynamic Huffman codes (RFC 1951 section 3.2.7). `planHuffman` builds the codes from the counts and
 * returns the exact bits of the whole block, which `putHuffman` writes. Literals and lengths get codes of at most 14
 * bits, one less than allowed: four literals and the 7 bits that may wait then fit one flush of 64.
 */
const LONGEST_SYMBOL: u32 = 14;
const LONGEST_DISTANCE: u32 = 15;

export function planHuffman(): u64 {
  const base = scratch;
  makeCode(base + SYMBOL_COUNTS, 286, LONGEST_SYMBOL, base + CODE_LENGTHS, base + SYMBOL_CODES);
  makeCode(base + DISTANCE_COUNTS, 30, LONGEST_DISTANCE, base + DISTANCE_LENGTHS, base + DISTANCE_CODES);
  let bits: u64 = 0;
  for (let symbol: usize = 0; symbol < 257; symbol++) {
    bits += <u64>load<u32>(base + (symbol << 2), SYMBOL_COUNTS) * <u64>load<u8>(base + symbol, CODE_LENGTHS);
  }
  for (let symbol: usize = 257; symbol < 286; symbol++) {
    const each = <u64>load<u8>(base + symbol, CODE_LENGTHS) + <u64>load<u8>(base + symbol - 257, LENGTH_EXTRA);
    bits += <u64>load<u32>(base + (symbol << 2), SYMBOL_COUNTS) * each;
  }
  for (let symbol: u32 = 0; symbol < 30; symbol++) {
    const extra = symbol < 2 ? 0 : (symbol >> 1) - 1;
    const each = <u64>load<u8>(base + symbol, DISTANCE_LENGTHS) + <u64>extra;
    bits += <u64>load<u32>(base + (symbol << 2), DISTANCE_COUNTS) * each;
  }
  return bits + planHeader();
}

export function putHuffman(): void {
  putHeader();
  writeEntries();
  const base = scratch;
  const last = lastSequence;
  let literal = base + LITERALS;
  let to = output;
  // The bits that wait are those of the byte at `to`: loading them costs less than shifting them out of a buffer.
  let count = <u32>bitCount;

  for (let sequence = base + SEQUENCES; sequence <= last; sequence += 8) {
    let run = <u32>load<u16>(sequence);
    for (; run >= 4; run -= 4) {
      const word = load<u32>(literal);
      const entry0 = literalEntry(base, word & 255);
      const entry1 = literalEntry(base, (word >> 8) & 255);
      const entry2 = literalEntry(base, (word >> 16) & 255);
      const entry3 = literalEntry(base, word >> 24);
      const factor0 = literalFactor(entry0);
      const factor2 = literalFactor(entry2);
      const lower = factor0 * literalFactor(entry1);
      const upper = literalCode(entry2) + factor2 * literalCode(entry3);
      const code = literalCode(entry0) + factor0 * literalCode(entry1) + lower * upper;
      const bits = <u32>ctz<u64>(lower * (factor2 * literalFactor(entry3)));
      store<u64>(to, <u64>load<u8>(to) | (code << <u64>count));
      count += bits;
      to += <usize>(count >> 3);
      count &= 7;
      literal += 4;
    }
    // The last none to three literals, without branches.
    const word = load<u32>(literal);
    const entry0 = literalEntry(base, select<u32>(word & 255, NO_LITERAL, run > 0));
    const entry1 = literalEntry(base, select<u32>((word >> 8) & 255, NO_LITERAL, run > 1));
    const entry2 = literalEntry(base, select<u32>((word >> 16) & 255, NO_LITERAL, run > 2));
    const factor0 = literalFactor(entry0);
    const factor1 = literalFactor(entry1);
    let code = literalCode(entry0) + factor0 * (literalCode(entry1) + factor1 * literalCode(entry2));
    let factor = factor0 * factor1 * literalFactor(entry2);
    let bits = <u32>ctz<u64>(factor);
    literal += run;

    // The match, at most 14 + 5 + 15 + 13 bits, nearly always fits the same store.
    const length = load<u32>(base + (<usize>load<u16>(sequence, 2) << 2), LENGTH_CODES);
    const entry = distanceEntry(base, <u32>load<u16>(sequence, 6));
    const match = <u64>(length >> 6) | (distanceCode(entry, <u64>load<u16>(sequence, 4)) << <u64>length);
    const matchBits = (length & 63) + distanceBits(entry);
    if (bits + matchBits > 56) {
      store<u64>(to, <u64>load<u8>(to) | (code << <u64>count));
      count += bits;
      to += <usize>(count >> 3);
      count &= 7;
      code = 0;
      factor = 1;
      bits = 0;
    }
    code |= match * factor;
    bits += matchBits;
    store<u64>(to, <u64>load<u8>(to) | (code << <u64>count));
    count += bits;
    to += <usize>(count >> 3);
    count &= 7;
  }

  resumeBits(to, <u64>load<u8>(to), <u64>count);
}
