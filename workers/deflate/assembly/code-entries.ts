import {
  DISTANCE_CODES,
  DISTANCE_ENTRIES,
  LENGTH_BASE,
  LENGTH_CODES,
  LENGTH_EXTRA,
  LENGTH_SYMBOL,
  LITERAL_ENTRIES,
  NO_DISTANCE,
  SYMBOL_CODES,
  scratch,
} from "./layout";

/**
 * The codes of a block in the form that is fastest to write. In V8's code a shift by a variable takes five
 * instructions, a multiplication one. So a code comes with the factor 2^bits that shifts whatever follows it: codes a
 * and b joined are a + factor(a) * b, and their number of bits is that of the trailing zeros in the factors' product.
 */

export const NO_LITERAL: u32 = 256;

export function writeEntries(): void {
  writeLiterals();
  joinLengths();
  writeDistances();
}

/** Literals, and NO_LITERAL, which adds no bits: the code in the low 16 bits, its factor above. */
function writeLiterals(): void {
  const base = scratch;
  for (let literal: u32 = 0; literal < 256; literal++) {
    const code = load<u32>(base + (literal << 2), SYMBOL_CODES);
    store<u32>(literalEntry(base, literal), (code >> 6) | (0x10000 << (code & 63)), LITERAL_ENTRIES);
  }
  store<u32>(literalEntry(base, NO_LITERAL), 0x10000, LITERAL_ENTRIES);
}

@inline
export function literalEntry(base: usize, literal: u32): usize {
  return base + (literal << 2);
}

@inline
export function literalCode(entry: usize): u64 {
  return <u64>load<u16>(entry, LITERAL_ENTRIES);
}

@inline
export function literalFactor(entry: usize): u64 {
  return <u64>load<u16>(entry, LITERAL_ENTRIES + 2);
}

/** A code entry for each length 3..258, its code with the extra bits above it, and for the end of block. */
function joinLengths(): void {
  const base = scratch;
  store<u32>(base, load<u32>(base + 1024, SYMBOL_CODES), LENGTH_CODES);
  for (let length: u32 = 3; length <= 258; length++) {
    const symbol = <u32>load<u8>(base + length, LENGTH_SYMBOL);
    const entry = load<u32>(base + (symbol << 2), SYMBOL_CODES + 1028);
    const bits = entry & 63;
    const extra = length - load<u32>(base + (symbol << 2), LENGTH_BASE);
    const code = (entry >> 6) | (extra << bits);
    store<u32>(base + (length << 2), (code << 6) | (bits + <u32>load<u8>(base + symbol, LENGTH_EXTRA)), LENGTH_CODES);
  }
}

/**
 * Distance symbols, 16 bytes each: the code less the symbol's first distance times the factor (64 bits), the factor
 * (32), the bits of code and extra bits together (32). With distance - 1 times the factor added, that is the code with
 * the extra bits above it.
 */
function writeDistances(): void {
  const base = scratch;
  for (let symbol: u32 = 0; symbol < 30; symbol++) {
    const code = load<u32>(base + (symbol << 2), DISTANCE_CODES);
    const factor: u32 = 1 << (code & 63);
    const extra: u32 = symbol < 2 ? 0 : (symbol >> 1) - 1;
    const first: u32 = symbol < 2 ? symbol : (2 + (symbol & 1)) << extra;
    const entry = distanceEntry(base, symbol);
    store<u64>(entry, <u64>(code >> 6) - <u64>first * <u64>factor, DISTANCE_ENTRIES);
    store<u32>(entry, factor, DISTANCE_ENTRIES + 8);
    store<u32>(entry, (code & 63) + extra, DISTANCE_ENTRIES + 12);
  }
  memory.fill(distanceEntry(base, NO_DISTANCE) + DISTANCE_ENTRIES, 0, 16);
}

@inline
export function distanceEntry(base: usize, symbol: u32): usize {
  return base + (symbol << 4);
}

@inline
export function distanceCode(entry: usize, beyond: u64): u64 {
  return load<u64>(entry, DISTANCE_ENTRIES) + beyond * <u64>load<u32>(entry, DISTANCE_ENTRIES + 8);
}

@inline
export function distanceBits(entry: usize): u32 {
  return load<u32>(entry, DISTANCE_ENTRIES + 12);
}
