/**
 * The layout of the scratch region. Offsets are relative to its base: all workers share the memory, so no state may
 * have a fixed address. Only `init` writes state that survives from one input to the next.
 */

/**
 * Sub-blocks have Huffman codes of their own: at most the length that fits two stored blocks (RFC 1951 section 3.2.4).
 * WINDOW is the farthest distance of a match (section 2).
 */
export const LARGEST_SUB_BLOCK: usize = 131070;
export const SMALLEST_SUB_BLOCK: usize = 32768;
export const WINDOW: usize = 32768;

/**
 * Heads of hash chains, 2^16 addresses, or, at the fast levels, the latest position of each hash, up to 2^16 half
 * addresses; the latest position of each hash of 3 bytes, 2^13 addresses; and for each position of the window the one
 * before it in its chain, 2^15 addresses.
 */
export const HASH_TABLE: usize = 0;
export const HASH3_TABLE: usize = HASH_TABLE + 262144;
export const CHAIN: usize = HASH3_TABLE + 32768;

/**
 * Sequences of 8 bytes, 16 bits each: literal run, length, distance - 1, distance symbol. At most one for 3 bytes of a
 * sub-block, and one for 255 bytes of a match that runs on to the end of the input. The last one ends the block: its
 * length is 0, and the entry of its distance symbol, NO_DISTANCE, adds no bits. The literals of a sub-block follow, one
 * after the other, with room for moves of 16 bytes.
 */
export const SEQUENCES: usize = CHAIN + 131072;
export const NO_DISTANCE: u32 = 30;
export const LITERALS: usize = SEQUENCES + 385024;

/**
 * Counts, zeroed for each sub-block: literals in four tables, so that equal neighbors do not wait for each other's
 * store; matches by length, 0..258; distance symbols, 0..29.
 */
export const LITERAL_COUNTS: usize = LITERALS + 131072 + 256;
export const LENGTH_COUNTS: usize = LITERAL_COUNTS + 4096;
export const DISTANCE_COUNTS: usize = LENGTH_COUNTS + 1040;
export const COUNTS_BYTES: usize = 4096 + 1040 + 128;

/** Frequencies of literal/length symbols (0..285), and of code length symbols (0..18). */
export const SYMBOL_COUNTS: usize = LITERAL_COUNTS + COUNTS_BYTES;
export const PRECODE_COUNTS: usize = SYMBOL_COUNTS + 1152;

/**
 * Code entries: `code << 6 | bits`, the code's bits reversed, ready for the bit buffer. LENGTH_CODES has whole lengths,
 * 3..258, code and extra bits joined, and the end of block, 0. code-entries.ts has the form of LITERAL_ENTRIES, with
 * one more for no literal, and of DISTANCE_ENTRIES.
 */
export const SYMBOL_CODES: usize = PRECODE_COUNTS + 128;
export const DISTANCE_CODES: usize = SYMBOL_CODES + 1152;
export const PRECODE_CODES: usize = DISTANCE_CODES + 128;
export const LENGTH_CODES: usize = PRECODE_CODES + 128;
export const LITERAL_ENTRIES: usize = LENGTH_CODES + 1040;
export const DISTANCE_ENTRIES: usize = LITERAL_ENTRIES + 1040;

/**
 * Code lengths, one byte each: literal/length and distance behind each other as the header sends them, then the
 * precode's; then both in run-length code, the symbol in the low byte, the extra value above.
 */
export const CODE_LENGTHS: usize = DISTANCE_ENTRIES + 512;
export const DISTANCE_LENGTHS: usize = CODE_LENGTHS + 320;
export const PRECODE_LENGTHS: usize = DISTANCE_LENGTHS + 32;
export const HEADER_ITEMS: usize = PRECODE_LENGTHS + 32;

/** Work space of the Huffman construction: two arrays of keys, radix counters, codes of each length. */
export const SORT_A: usize = HEADER_ITEMS + 1280;
export const SORT_B: usize = SORT_A + 1152;
export const RADIX_COUNTS: usize = SORT_B + 1152;
export const LENGTH_TALLY: usize = RADIX_COUNTS + 1024;
export const NEXT_CODE: usize = LENGTH_TALLY + 64;

/**
 * Constants, written by `init`: length 0..258 -> length symbol - 257; length symbol - 257 -> extra bits and base; the
 * order in which the precode's lengths are sent (RFC 1951 section 3.2.7).
 */
export const LENGTH_SYMBOL: usize = NEXT_CODE + 64;
export const LENGTH_EXTRA: usize = LENGTH_SYMBOL + 264;
export const LENGTH_BASE: usize = LENGTH_EXTRA + 32;
export const PRECODE_ORDER: usize = LENGTH_BASE + 128;

export const SCRATCH_BYTES: usize = (PRECODE_ORDER + 32 + 4095) & ~4095;

export let scratch: usize = 0;

export function setScratch(base: usize): void {
  scratch = base;
}
