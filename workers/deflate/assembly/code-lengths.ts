import { putBits, putEntry } from "./bit-writer";
import { makeCode } from "./huffman";
import {
  CODE_LENGTHS,
  DISTANCE_LENGTHS,
  HEADER_ITEMS,
  PRECODE_CODES,
  PRECODE_COUNTS,
  PRECODE_LENGTHS,
  PRECODE_ORDER,
  scratch,
} from "./layout";

/**
 * The header of a block with dynamic Huffman codes (RFC 1951 section 3.2.7), which is not final. `planHeader`
 * run-length codes the lengths of both codes, builds the precode, and returns the bits of the header, including the
 * block type.
 */

let literalCodes: u32 = 0;
let distanceCodes: u32 = 0;
let precodeCodes: u32 = 0;
let itemsEnd: usize = 0;

export function planHeader(): u64 {
  const base = scratch;
  literalCodes = 286;
  while (literalCodes > 257 && load<u8>(base + CODE_LENGTHS + literalCodes - 1) == 0) literalCodes--;
  distanceCodes = 30;
  while (distanceCodes > 1 && load<u8>(base + DISTANCE_LENGTHS + distanceCodes - 1) == 0) distanceCodes--;
  // The two lists are one for the run-length code: runs may cross from one to the other.
  memory.copy(base + CODE_LENGTHS + literalCodes, base + DISTANCE_LENGTHS, distanceCodes);
  memory.fill(base + PRECODE_COUNTS, 0, 128);
  const extraBits = codeRuns(base + CODE_LENGTHS, base + CODE_LENGTHS + literalCodes + distanceCodes);

  makeCode(base + PRECODE_COUNTS, 19, 7, base + PRECODE_LENGTHS, base + PRECODE_CODES);
  precodeCodes = 19;
  while (precodeCodes > 4 && lengthInOrder(precodeCodes - 1) == 0) precodeCodes--;
  let bits: u64 = 3 + 14 + 3 * <u64>precodeCodes + extraBits;
  for (let symbol: usize = 0; symbol < 19; symbol++) {
    bits += <u64>load<u32>(base + (symbol << 2), PRECODE_COUNTS) * <u64>load<u8>(base + symbol, PRECODE_LENGTHS);
  }
  return bits;
}

export function putHeader(): void {
  putBits(<u64>(4 | ((literalCodes - 257) << 3) | ((distanceCodes - 1) << 8) | ((precodeCodes - 4) << 13)), 17);
  for (let i: u32 = 0; i < precodeCodes; i++) putBits(<u64>lengthInOrder(i), 3);
  for (let item = scratch + HEADER_ITEMS; item < itemsEnd; item += 2) {
    const symbol = <u32>load<u8>(item);
    putEntry(load<u32>(scratch + (symbol << 2), PRECODE_CODES));
    if (symbol >= 16) putBits(<u64>load<u8>(item + 1), repeatBits(symbol));
  }
}

@inline
function lengthInOrder(index: u32): u32 {
  return <u32>load<u8>(scratch + PRECODE_LENGTHS + <usize>load<u8>(scratch + index, PRECODE_ORDER));
}

@inline
function repeatBits(symbol: u32): u64 {
  return symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
}

/**
 * Symbols 0..15 are lengths, 16 repeats the last one 3..6 times, 17 and 18 are 3..10 and 11..138 zeros. Returns the
 * extra bits.
 */
function codeRuns(from: usize, end: usize): u64 {
  let extraBits: u64 = 0;
  itemsEnd = scratch + HEADER_ITEMS;
  let at = from;
  while (at < end) {
    const length = <u32>load<u8>(at);
    let next = at + 1;
    while (next < end && <u32>load<u8>(next) == length) next++;
    let run = <u32>(next - at);
    at = next;
    if (length == 0) {
      while (run >= 11) {
        const part = min<u32>(run, 138);
        putItem(18, part - 11);
        extraBits += 7;
        run -= part;
      }
      if (run >= 3) {
        putItem(17, run - 3);
        extraBits += 3;
        run = 0;
      }
    } else {
      putItem(length, 0);
      run--;
      while (run >= 3) {
        const part = min<u32>(run, 6);
        putItem(16, part - 3);
        extraBits += 2;
        run -= part;
      }
    }
    for (; run > 0; run--) putItem(length, 0);
  }
  return extraBits;
}

@inline
function putItem(symbol: u32, extra: u32): void {
  store<u16>(itemsEnd, <u16>(symbol | (extra << 8)));
  itemsEnd += 2;
  const count = scratch + (symbol << 2);
  store<u32>(count, load<u32>(count, PRECODE_COUNTS) + 1, PRECODE_COUNTS);
}
