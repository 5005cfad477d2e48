import { LENGTH_TALLY, NEXT_CODE, RADIX_COUNTS, SORT_A, SORT_B, scratch } from "./layout";

const SYMBOL_BITS: u32 = 9;
const SYMBOL_MASK: u32 = (1 << SYMBOL_BITS) - 1;

/**
 * Makes a length-limited Huffman code: lengths (one byte each, at `lengths`) and entries `code << 6 | bits` (at
 * `codes`), canonical as in RFC 1951 section 3.2.2. There are always at least two codes, so that the code is complete:
 * section 3.2.7 allows fewer, but some decoders do not.
 */
export function makeCode(frequencies: usize, symbols: u32, longest: u32, lengths: usize, codes: usize): void {
  memory.fill(lengths, 0, symbols);
  const used = sortedKeys(frequencies, symbols);
  const keys = sorted;
  const tally = scratch + LENGTH_TALLY;
  memory.fill(tally, 0, 64);
  mergeTree(keys, used);
  tallyLengths(keys, used, longest, tally);

  // The rarest symbols get the longest codes: only the number of codes of each length is taken from the tree.
  let at = keys;
  for (let bits = longest; bits > 0; bits--) {
    for (let left = load<u32>(tally + (bits << 2)); left > 0; left--) {
      store<u8>(lengths + (load<u32>(at) & SYMBOL_MASK), <u8>bits);
      at += 4;
    }
  }
  assignCodes(lengths, symbols, tally, codes);
}

let sorted: usize = 0;

/**
 * Sorts keys `frequency << 9 | symbol` of all symbols that occur, in rising order, and leaves their address in
 * `sorted`: a radix sort by bytes of the frequency.
 */
function sortedKeys(frequencies: usize, symbols: u32): u32 {
  let from = scratch + SORT_A;
  let to = scratch + SORT_B;
  let used: u32 = 0;
  let all: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const frequency = load<u32>(frequencies + (symbol << 2));
    // Branchless: whether a symbol occurs is hard to predict.
    store<u32>(from + (used << 2), (frequency << SYMBOL_BITS) | symbol);
    used += u32(frequency != 0);
    all |= frequency;
  }
  // Symbols 0 and 1 make up for missing ones: with a frequency of 0 they count as the rarest.
  while (used < 2) {
    const filler: u32 = used == 1 && (load<u32>(from) & SYMBOL_MASK) == 0 ? 1 : 0;
    store<u32>(from + (used << 2), filler);
    used++;
  }

  const counters = scratch + RADIX_COUNTS;
  for (let shift = SYMBOL_BITS; (all << SYMBOL_BITS) >> shift != 0; shift += 8) {
    memory.fill(counters, 0, 1024);
    for (let i: u32 = 0; i < used; i++) {
      const counter = counters + (((load<u32>(from + (i << 2)) >> shift) & 255) << 2);
      store<u32>(counter, load<u32>(counter) + 4);
    }
    let sum: u32 = 0;
    for (let counter = counters; counter < counters + 1024; counter += 4) {
      const here = load<u32>(counter);
      store<u32>(counter, sum);
      sum += here;
    }
    for (let i: u32 = 0; i < used; i++) {
      const key = load<u32>(from + (i << 2));
      const counter = counters + (((key >> shift) & 255) << 2);
      const target = load<u32>(counter);
      store<u32>(to + target, key);
      store<u32>(counter, target + 4);
    }
    const swap = from;
    from = to;
    to = swap;
  }
  sorted = from;
  return used;
}

/**
 * Huffman's algorithm with two queues in one array: leaves wait in rising order, inner nodes are made in rising order,
 * so the rarest two are always at the fronts. Inner node i overwrites key i's upper bits (never ahead of the leaves
 * that are still needed), first with its frequency, later with its parent.
 */
function mergeTree(keys: usize, used: u32): void {
  const last = used - 1;
  let leaf: u32 = 0;
  let inner: u32 = 0;
  for (let made: u32 = 0; made < last; made++) {
    let frequency: u32 = 0;
    for (let child = 0; child < 2; child++) {
      const innerKey = inner < made ? load<u32>(keys + (inner << 2)) : 0xffffffff;
      const leafKey = leaf < used ? load<u32>(keys + (leaf << 2)) : 0xffffffff;
      if (leaf < used && (inner >= made || leafKey >> SYMBOL_BITS <= innerKey >> SYMBOL_BITS)) {
        frequency += leafKey >> SYMBOL_BITS;
        leaf++;
      } else {
        frequency += innerKey >> SYMBOL_BITS;
        store<u32>(keys + (inner << 2), (made << SYMBOL_BITS) | (innerKey & SYMBOL_MASK));
        inner++;
      }
    }
    const key = keys + (made << 2);
    store<u32>(key, (frequency << SYMBOL_BITS) | (load<u32>(key) & SYMBOL_MASK));
  }
}

/**
 * Counts the codes of each length, walking the inner nodes from the root down: each turns one code into two that are a
 * bit longer. Where that would pass the limit, the longest code that is short enough is split instead, which keeps the
 * code complete.
 */
function tallyLengths(keys: usize, used: u32, longest: u32, tally: usize): void {
  let node = used - 2;
  store<u32>(tally + 4, 2);
  store<u32>(keys + (node << 2), load<u32>(keys + (node << 2)) & SYMBOL_MASK);
  while (node > 0) {
    node--;
    const key = keys + (node << 2);
    const value = load<u32>(key);
    let depth = (load<u32>(keys + ((value >> SYMBOL_BITS) << 2)) >> SYMBOL_BITS) + 1;
    store<u32>(key, (depth << SYMBOL_BITS) | (value & SYMBOL_MASK));
    if (depth >= longest) {
      depth = longest - 1;
      while (load<u32>(tally + (depth << 2)) == 0) depth--;
    }
    const shorter = tally + (depth << 2);
    store<u32>(shorter, load<u32>(shorter) - 1);
    store<u32>(shorter + 4, load<u32>(shorter + 4) + 2);
  }
}

/** Canonical codes from lengths, reversed because codes start with their highest bit (RFC 1951 section 3.1.1). */
function assignCodes(lengths: usize, symbols: u32, tally: usize, codes: usize): void {
  const next = scratch + NEXT_CODE;
  let code: u32 = 0;
  store<u32>(next, 0);
  for (let bits: u32 = 1; bits < 16; bits++) {
    code = (code + load<u32>(tally + ((bits - 1) << 2))) << 1;
    store<u32>(next + (bits << 2), code);
  }
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const bits = <u32>load<u8>(lengths + symbol);
    const counter = next + (bits << 2);
    const value = load<u32>(counter);
    store<u32>(counter, value + 1);
    const entry = (((reverse16(value) >> (16 - bits)) << 6) | bits) & (0 - u32(bits != 0));
    store<u32>(codes + (symbol << 2), entry);
  }
}

@inline
function reverse16(value: u32): u32 {
  value = ((value & 0x5555) << 1) | ((value >> 1) & 0x5555);
  value = ((value & 0x3333) << 2) | ((value >> 2) & 0x3333);
  value = ((value & 0x0f0f) << 4) | ((value >> 4) & 0x0f0f);
  return ((value & 0x00ff) << 8) | (value >> 8);
}
