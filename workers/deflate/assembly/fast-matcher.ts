import { HASH_TABLE, LITERALS, SEQUENCES, WINDOW, scratch } from "./layout";
import { copyLiterals, endSequences, putLongSequence, putSequence, startSequences } from "./sequences";
import { commonBytes16, commonBytes32 } from "./vector";

/**
 * The matcher of the fast levels: one candidate per hash of 5 bytes. Tries two neighboring positions together and takes the
 * second only if its match is longer, which is lazy matching at almost no cost.
 */

/** Bytes that a probe of two positions compares; no position closer to the end is tried. */
const PROBE_BYTES: usize = 16;
/** Beyond this step, skipping would run over the next compressible header among small compressed files. */
const LONGEST_STEP: usize = 64;

/** Offset in a table of 2^bits addresses for the lowest 5 bytes of a word. The factor is odd and otherwise arbitrary. */
@inline
function slotOf(word: u64, bits: u64): usize {
  return <usize>(((word << 24) * 0x9e3779b185ebca87) >> (64 - bits)) << 2;
}

@inline
function enter(base: usize, at: usize, bits: u64): void {
  store<u32>(base + slotOf(load<u64>(at), bits), <u32>at, HASH_TABLE);
}

/** Enters a position and the next one with one load. */
@inline
function enterPair(base: usize, at: usize, bits: u64): void {
  const word = load<u64>(at);
  store<u32>(base + slotOf(word, bits), <u32>at, HASH_TABLE);
  store<u32>(base + slotOf(word >> 8, bits), <u32>at + 1, HASH_TABLE);
}

/**
 * Finds the sequences of one sub-block from `start` to `subEnd`, or to the end of a match that crosses it.
 * Returns its end. A candidate is an address; an empty entry is 0, which is out of every window.
 */
@inline
function matchWith(input: usize, start: usize, subEnd: usize, end: usize, bits: u64, enterEach: usize): usize {
  startSequences();
  const base = scratch;
  let sequences = base + SEQUENCES;
  let literals = base + LITERALS;
  let anchor = start;
  let at = start;
  const limit = min<usize>(subEnd, end - min<usize>(end - input, PROBE_BYTES));

  while (at < limit) {
    const word = load<u64>(at);
    const slot0 = base + slotOf(word, bits);
    const slot1 = base + slotOf(word >> 8, bits);
    const candidate0 = <usize>load<u32>(slot0, HASH_TABLE);
    store<u32>(slot0, <u32>at, HASH_TABLE);
    const candidate1 = <usize>load<u32>(slot1, HASH_TABLE);
    store<u32>(slot1, <u32>at + 1, HASH_TABLE);

    const distance0 = at - candidate0;
    const distance1 = at + 1 - candidate1;
    const length0 = select<u32>(commonBytes16(at, candidate0), 0, distance0 - 1 < WINDOW);
    const length1 = select<u32>(commonBytes16(at + 1, candidate1), 0, distance1 - 1 < WINDOW);
    const isSecond = length1 > length0;
    let length = <usize>select<u32>(length1, length0, isSecond);
    if (length < 4) {
      at += min<usize>(2 + ((at - anchor) >> 6), LONGEST_STEP);
      continue;
    }
    const distance = select<usize>(distance1, distance0, isSecond);
    at += <usize>isSecond;

    if (length == 16) {
      let farther = at + 16;
      while (farther < end) {
        const equal = commonBytes32(farther, farther - distance);
        farther += equal;
        if (equal < 32) break;
      }
      // Bytes beyond the end do not count.
      length = min<usize>(farther, end) - at;
    }

    const before = load<u64>(at - 8) ^ load<u64>(at - distance - 8);
    const backwards = min<usize>(<usize>(clz<u64>(before) >> 3), min<usize>(at - anchor, at - distance - input));
    at -= backwards;
    length += backwards;

    const run = at - anchor;
    copyLiterals(literals, anchor, run);
    literals += run;
    if (length <= 258) {
      putSequence(base, sequences, run, length, distance);
      sequences += 8;
    } else {
      sequences = putLongSequence(base, sequences, run, length, distance);
    }

    // Five positions of a match cost 1 to 2 % of the speed over two, and save 1 to 2 % of the size; all would cost 13 to 19 %.
    if (enterEach == 0) {
      enterPair(base, at + 1, bits);
      enter(base, at + (length >> 1), bits);
    } else {
      const last = min<usize>(at + length - 2, limit);
      for (let inside = at + 1; inside < last; inside += enterEach) enter(base, inside, bits);
    }
    at += length;
    anchor = at;
    enterPair(base, at - 2, bits);
  }

  // A step may have gone past the limit; literals end with the sub-block.
  if (anchor < subEnd) {
    endSequences(sequences, literals, anchor, subEnd - anchor);
    return subEnd;
  }
  endSequences(sequences, literals, anchor, 0);
  return anchor;
}

/** Level 1: a table of 64 KiB, and of a match's positions five are entered. */
const FASTEST_BITS: usize = 14;
/** Level 2: a table of 256 KiB, and every second position of a match is entered. */
const FAST_BITS: usize = 16;

/** Empties the table, so that the output depends on the block alone. */
export function startFast(isFastest: bool): void {
  memory.fill(scratch + HASH_TABLE, 0, <usize>4 << (isFastest ? FASTEST_BITS : FAST_BITS));
}

export function matchFastest(input: usize, start: usize, subEnd: usize, end: usize): usize {
  return matchWith(input, start, subEnd, end, FASTEST_BITS, 0);
}

export function matchFast(input: usize, start: usize, subEnd: usize, end: usize): usize {
  return matchWith(input, start, subEnd, end, FAST_BITS, 2);
}
