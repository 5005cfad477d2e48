import { output as written, putStored, startBits } from "./bit-writer";
import { writeConstants } from "./constants";
import { planHuffman, putHuffman } from "./huffman-block";
import { LITERALS, SCRATCH_BYTES, SMALLEST_SUB_BLOCK, scratch, setScratch } from "./layout";
import { matchAt, startLevel, subBlockBytes } from "./levels";
import { countSymbols, literalsEnd } from "./sequences";
import { looksRandom, savesTooLittle } from "./stored-decision";

/**
 * DEFLATE (RFC 1951) for blocks that are compressed independently of each other and joined to one stream. The memory is
 * imported and shared: an instance writes only to the scratch region given to `init`, aligned to 16, and the output
 * given to `encode`.
 */

export function scratchBytes(): i32 {
  return <i32>SCRATCH_BYTES;
}

export function init(base: usize): void {
  setScratch(base);
  writeConstants();
}

/** Bytes that `encode` may write from `output` on: everything stored, the empty block, and the last 8-byte store. */
export function outputBound(length: i32): i32 {
  return length + 5 * (length / <i32>SMALLEST_SUB_BLOCK + 2) + 16;
}

/**
 * Compresses `length` bytes, at most 1 MiB, with 128 readable bytes of any content before and after them. Writes raw
 * DEFLATE blocks, none of them final; the last is an empty stored block, so that the output ends on a byte boundary
 * (RFC 1951 section 3.2.4). Returns the output's length. The bytes depend on the input and the level alone.
 */
export function encode(input: usize, length: i32, output: usize, level: i32): i32 {
  const end = input + <usize>length;
  startBits(output);
  startLevel(level, input);
  let start = input;
  while (start < end) {
    const subEnd = min<usize>(start + subBlockBytes, end);
    const next = matchAt(level, input, start, subEnd, end);
    putSubBlock(start, next);
    start = next;
  }
  putStored(end, 0);
  return <i32>(written - output);
}

function putSubBlock(start: usize, end: usize): void {
  if (looksRandom(start, end, literalsEnd - (scratch + LITERALS))) {
    putStored(start, end - start);
    return;
  }
  countSymbols();
  if (savesTooLittle(planHuffman(), end - start)) putStored(start, end - start);
  else putHuffman();
}
