import { bitBuffer, bitCount, output, putEntry, resumeBits } from "./bit-writer";
import { planHeader, putHeader } from "./code-lengths";
import { makeCode } from "./huffman";
import {
  CODE_LENGTHS,
  DISTANCE_CODES,
  DISTANCE_COUNTS,
  DISTANCE_LENGTHS,
  LENGTH_BASE,
  LENGTH_CODES,
  LENGTH_EXTRA,
  LENGTH_SYMBOL,
  LITERALS,
  SEQUENCES,
  SYMBOL_CODES,
  SYMBOL_COUNTS,
  scratch,
} from "./layout";
import { distanceExtraBits, lastSequence } from "./sequences";

/**
 * A block with dynamic Huffman codes (RFC 1951 section 3.2.7). Literals and lengths get codes of at most 14 bits, one less than
 * allowed: four literals and the 7 bits that may wait then fit one flush of 64.
 */
const LONGEST_SYMBOL: u32 = 14;
const LONGEST_DISTANCE: u32 = 15;

/** Builds the codes from the counts. Returns the exact bits of the whole block. */
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

/** Writes the block that `planHuffman` planned. */
export function putHuffman(): void {
  putHeader();
  joinLengthCodes();
  const base = scratch;
  const last = lastSequence;
  let literal = base + LITERALS;
  let to = output;
  let buffer = bitBuffer;
  let count = bitCount;

  for (let sequence = base + SEQUENCES; ; sequence += 8) {
    const fields = load<u64>(sequence);
    let run = <u32>fields;
    for (; run >= 4; run -= 4) {
      // An entry's low 6 bits are its length and shifts take their count modulo 64, so entries are added up unmasked.
      const word = load<u32>(literal);
      const entry0 = literalEntry(base, word & 255);
      const entry1 = literalEntry(base, (word >> 8) & 255);
      const entry2 = literalEntry(base, (word >> 16) & 255);
      const entry3 = literalEntry(base, word >> 24);
      buffer |= (entry0 >> 6) << count;
      count += entry0;
      buffer |= (entry1 >> 6) << count;
      count += entry1;
      buffer |= (entry2 >> 6) << count;
      count += entry2;
      buffer |= (entry3 >> 6) << count;
      count += entry3;
      count &= 63;
      literal += 4;
      store<u64>(to, buffer);
      to += <usize>(count >> 3);
      buffer >>= count & 56;
      count &= 7;
    }
    // The last none to three literals, without branches: entries beyond the run are masked to nothing.
    const word = load<u32>(literal);
    const entry0 = literalEntry(base, word & 255) & (0 - u64(run > 0));
    const entry1 = literalEntry(base, (word >> 8) & 255) & (0 - u64(run > 1));
    const entry2 = literalEntry(base, (word >> 16) & 255) & (0 - u64(run > 2));
    buffer |= (entry0 >> 6) << count;
    count += entry0;
    buffer |= (entry1 >> 6) << count;
    count += entry1;
    buffer |= (entry2 >> 6) << count;
    count += entry2;
    count &= 63;
    literal += run;
    store<u64>(to, buffer);
    to += <usize>(count >> 3);
    buffer >>= count & 56;
    count &= 7;
    if (sequence == last) break;

    // A match is one flush: at most 14 + 5 + 15 + 13 bits.
    const length = <u64>load<u32>(base + ((<usize>(fields >> 32) & 0xffff) << 2), LENGTH_CODES);
    const beyond = <u32>(fields >> 48) - 1;
    const extra = distanceExtraBits(beyond);
    const distance = <u64>load<u32>(base + (((extra << 1) + (beyond >> extra)) << 2), DISTANCE_CODES);
    buffer |= (length >> 6) << count;
    count += length;
    buffer |= (distance >> 6) << count;
    count += distance;
    buffer |= <u64>(beyond & ((1 << extra) - 1)) << count;
    count = (count + <u64>extra) & 63;
    store<u64>(to, buffer);
    to += <usize>(count >> 3);
    buffer >>= count & 56;
    count &= 7;
  }

  resumeBits(to, buffer, count);
  // End of block.
  putEntry(load<u32>(base + 1024, SYMBOL_CODES));
}

@inline
function literalEntry(base: usize, literal: u32): u64 {
  return <u64>load<u32>(base + (literal << 2), SYMBOL_CODES);
}

/** An entry for each length 3..258: its code with the extra bits above it. */
function joinLengthCodes(): void {
  const base = scratch;
  for (let length: u32 = 3; length <= 258; length++) {
    const symbol = <u32>load<u8>(base + length, LENGTH_SYMBOL);
    const entry = load<u32>(base + (symbol << 2), SYMBOL_CODES + 1028);
    const bits = entry & 63;
    const extra = length - load<u32>(base + (symbol << 2), LENGTH_BASE);
    const code = (entry >> 6) | (extra << bits);
    store<u32>(base + (length << 2), (code << 6) | (bits + <u32>load<u8>(base + symbol, LENGTH_EXTRA)), LENGTH_CODES);
  }
}
