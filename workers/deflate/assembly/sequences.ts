import {
  COUNTS_BYTES,
  DISTANCE_COUNTS,
  LENGTH_COUNTS,
  LITERAL_COUNTS,
  LITERALS,
  NO_DISTANCE,
  SYMBOL_COUNTS,
  LENGTH_SYMBOL,
  scratch,
} from "./layout";
import { copy16 } from "./vector";

/**
 * The output of a matcher for a sub-block: sequences (a run of literals, then a match), the literals themselves, and
 * the literals after the last match, which the end of block follows as the match of `lastSequence`. Matches are counted
 * as they come, literals together at the end. Matchers keep the ends of both lists in locals until `endSequences`.
 */

export let lastSequence: usize = 0;
export let literalsEnd: usize = 0;

export function startSequences(): void {
  memory.fill(scratch + LITERAL_COUNTS, 0, COUNTS_BYTES);
}

export function endSequences(sequences: usize, literals: usize, from: usize, run: usize): void {
  memory.copy(literals, from, run);
  store<u64>(sequences, <u64>run | (<u64>NO_DISTANCE << 48));
  lastSequence = sequences;
  literalsEnd = literals + run;
}

/** Copies a run of literals in moves of 16 bytes, reading and writing up to 15 bytes (16 for no literal) too many. */
@inline
export function copyLiterals(literals: usize, from: usize, run: usize): void {
  let copied: usize = 0;
  do {
    copy16(literals + copied, from + copied);
    copied += 16;
  } while (copied < run);
}

/** Extra bits of a distance (RFC 1951 section 3.2.5): 0 for 1..4, then one more per doubling. Takes distance - 1. */
@inline
function distanceExtraBits(distance: u32): u32 {
  return 30 - clz<u32>(distance | 2);
}

@inline
export function putSequence(base: usize, sequences: usize, run: usize, length: usize, distance: usize): void {
  const beyond = <u32>distance - 1;
  const extra = distanceExtraBits(beyond);
  const symbol = (extra << 1) + (beyond >> extra);
  store<u16>(sequences, <u16>run);
  store<u16>(sequences, <u16>length, 2);
  store<u16>(sequences, <u16>beyond, 4);
  store<u16>(sequences, <u16>symbol, 6);
  const lengthCount = base + (length << 2);
  store<u32>(lengthCount, load<u32>(lengthCount, LENGTH_COUNTS) + 1, LENGTH_COUNTS);
  const distanceCount = base + (symbol << 2);
  store<u32>(distanceCount, load<u32>(distanceCount, DISTANCE_COUNTS) + 1, DISTANCE_COUNTS);
}

/** Writes a match of any length as sequences of 3 to 258 bytes: none leaves a rest of 1 or 2. Returns the new end. */
export function putLongSequence(base: usize, sequences: usize, run: usize, length: usize, distance: usize): usize {
  while (length > 258) {
    const part: usize = length < 261 ? length - 3 : 258;
    putSequence(base, sequences, run, part, distance);
    sequences += 8;
    length -= part;
    run = 0;
  }
  putSequence(base, sequences, run, length, distance);
  return sequences + 8;
}

/** Counts the literals, and adds everything up by literal/length symbol, with one end of block (256). */
export function countSymbols(): void {
  const base = scratch;
  const end = literalsEnd;
  let literal = base + LITERALS;
  for (; literal + 8 <= end; literal += 8) {
    const word = load<u64>(literal);
    count(base, 0, word & 255);
    count(base, 1024, (word >> 8) & 255);
    count(base, 2048, (word >> 16) & 255);
    count(base, 3072, (word >> 24) & 255);
    count(base, 0, (word >> 32) & 255);
    count(base, 1024, (word >> 40) & 255);
    count(base, 2048, (word >> 48) & 255);
    count(base, 3072, word >> 56);
  }
  for (; literal < end; literal++) count(base, 0, load<u8>(literal));

  for (let at = base; at < base + 1024; at += 8) {
    // Two counts in each word: none of them overflows.
    const low = load<u64>(at, LITERAL_COUNTS) + load<u64>(at, LITERAL_COUNTS + 1024);
    const high = load<u64>(at, LITERAL_COUNTS + 2048) + load<u64>(at, LITERAL_COUNTS + 3072);
    store<u64>(at, low + high, SYMBOL_COUNTS);
  }
  memory.fill(base + SYMBOL_COUNTS + 1024, 0, 128);
  store<u32>(base + 1024, 1, SYMBOL_COUNTS);
  for (let length: usize = 3; length <= 258; length++) {
    const at = base + ((257 + <usize>load<u8>(base + length, LENGTH_SYMBOL)) << 2);
    store<u32>(at, load<u32>(at, SYMBOL_COUNTS) + load<u32>(base + (length << 2), LENGTH_COUNTS), SYMBOL_COUNTS);
  }
}

@inline
function count(base: usize, table: usize, literal: u64): void {
  const at = base + table + (<usize>literal << 2);
  store<u32>(at, load<u32>(at, LITERAL_COUNTS) + 1, LITERAL_COUNTS);
}
