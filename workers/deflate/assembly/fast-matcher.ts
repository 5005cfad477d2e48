import { HASH_TABLE, LITERALS, SEQUENCES, WINDOW, scratch } from "./layout";
import { copyLiterals, endSequences, putLongSequence, putSequence, startSequences } from "./sequences";
import { commonBytes32 } from "./vector";

/**
 * The matcher of the fast levels: one candidate per hash of 5 bytes. Probes four neighboring positions together and
 * takes the longest of their matches, the earliest of equal ones: lazy matching with one branch for four positions,
 * because a mispredicted branch costs as much as the probes.
 *
 * The table holds the low 16 bits of addresses, so that a level's table stays in the cache. Of these, those within the
 * window count, so that an entry always stands for a distance of 1 to 32,768: a stale one for another place of the
 * input, which is a candidate like any other. Distances are handled as distance - 1 (`beyond`), as DEFLATE codes them.
 */

const PROBES: usize = 4;
/** Bytes that the first comparison of a match covers. Matches start only where the input has as many left. */
const FIRST_BYTES: usize = 32;
/** Beyond this step, skipping would run over the next compressible header among small compressed files. */
const LONGEST_STEP: usize = 64;

@inline
function slotOf(word: u64, bits: u64): usize {
  return <usize>(((word << 24) * 0x9e3779b185ebca87) >> (64 - bits)) << 1;
}

/** Enters a position and returns the distance - 1 to the latest one with its hash. */
@inline
function exchange(base: usize, at: usize, word: u64, bits: u64): u32 {
  const slot = base + slotOf(word, bits);
  const beyond = (<u32>at - 1 - <u32>load<u16>(slot, HASH_TABLE)) & (<u32>WINDOW - 1);
  store<u16>(slot, <u16>at, HASH_TABLE);
  return beyond;
}

@inline
function enter(base: usize, at: usize, bits: u64): void {
  store<u16>(base + slotOf(load<u64>(at), bits), <u16>at, HASH_TABLE);
}

@inline
function enterPair(base: usize, at: usize, bits: u64): void {
  const word = load<u64>(at);
  store<u16>(base + slotOf(word, bits), <u16>at, HASH_TABLE);
  store<u16>(base + slotOf(word >> 8, bits), <u16>(at + 1), HASH_TABLE);
}

@inline
function equalBits(word: u64, at: usize, beyond: u32): u64 {
  return ctz<u64>(load<u64>(at - 1 - <usize>beyond) - word);
}

/** A candidate as one number, the larger the better: equal bytes, then the earlier probe; the distance - 1 in the low 15 bits. */
@inline
function rank(bits: u64, probe: u32, beyond: u32): u64 {
  return ((bits & 120) << 14) + <u64>(((<u32>PROBES - 1 - probe) << 15) + beyond);
}

/**
 * Finds the sequences of one sub-block from `start` to `subEnd`, or to the end of a match that crosses it.
 * Returns its end.
 */
@inline
function matchWith(input: usize, start: usize, subEnd: usize, end: usize, bits: u64, enterEach: usize): usize {
  startSequences();
  const base = scratch;
  let sequences = base + SEQUENCES;
  let literals = base + LITERALS;
  let anchor = start;
  let at = start;
  const limit = min<usize>(subEnd, end - min<usize>(end - input, FIRST_BYTES)) - (PROBES - 1);
  const windowEnd = input + WINDOW;

  while (at < limit) {
    const word0 = load<u64>(at);
    const word1 = load<u64>(at, 1);
    const word2 = load<u64>(at, 2);
    const word3 = load<u64>(at, 3);
    const beyond0 = exchange(base, at, word0, bits);
    const beyond1 = exchange(base, at + 1, word1, bits);
    const beyond2 = exchange(base, at + 2, word2, bits);
    const beyond3 = exchange(base, at + 3, word3, bits);
    let bits0 = equalBits(word0, at, beyond0);
    let bits1 = equalBits(word1, at + 1, beyond1);
    let bits2 = equalBits(word2, at + 2, beyond2);
    let bits3 = equalBits(word3, at + 3, beyond3);
    if (at < windowEnd) {
      // Candidates may lie before the input.
      const past = <u32>(at - input);
      bits0 = select<u64>(bits0, 0, beyond0 < past);
      bits1 = select<u64>(bits1, 0, beyond1 < past + 1);
      bits2 = select<u64>(bits2, 0, beyond2 < past + 2);
      bits3 = select<u64>(bits3, 0, beyond3 < past + 3);
    }
    // A match has 4 bytes, 32 bits, or more.
    if (((bits0 | bits1 | bits2 | bits3) & 96) == 0) {
      at += min<usize>(PROBES + ((at - anchor) >> 5), LONGEST_STEP);
      continue;
    }
    const best = max<u64>(
      max<u64>(rank(bits0, 0, beyond0), rank(bits1, 1, beyond1)),
      max<u64>(rank(bits2, 2, beyond2), rank(bits3, 3, beyond3)),
    );
    const distance = <usize>(<u32>best & (<u32>WINDOW - 1)) + 1;
    at += PROBES - 1 - <usize>((<u32>best >> 15) & 3);

    let length = commonBytes32(at, at - distance);
    if (length == FIRST_BYTES) {
      let farther = at + FIRST_BYTES;
      while (farther < end) {
        const equal = commonBytes32(farther, farther - distance);
        farther += equal;
        if (equal < 32) break;
      }
      // Bytes beyond the end do not count.
      length = min<usize>(farther, end) - at;
    }

    // Known before the backward extension, so that the next probes need not wait for it.
    const next = at + length;
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

    // Of a match's positions, those after its probes are entered: all would cost 13 to 19 % of the speed.
    if (enterEach == 0) {
      enter(base, at + (length >> 1), bits);
    } else {
      const last = min<usize>(next - 2, limit);
      for (let inside = at + 1; inside < last; inside += enterEach) enter(base, inside, bits);
    }
    at = next;
    anchor = next;
    enterPair(base, next - 2, bits);
  }

  // A step may have gone past the limit; literals end with the sub-block.
  if (anchor < subEnd) {
    endSequences(sequences, literals, anchor, subEnd - anchor);
    return subEnd;
  }
  endSequences(sequences, literals, anchor, 0);
  return anchor;
}

/**
 * Level 1 has a table of 32 KiB, and enters the middle and the last two positions of a match; level 2 has one of 128
 * KiB, and enters every second position of a match.
 */
const FASTEST_BITS: usize = 14;
const FAST_BITS: usize = 16;

/** Empties the table, so that the output depends on the block alone: entries stand for the position before the input. */
export function startFast(isFastest: bool, input: usize): void {
  const table = scratch + HASH_TABLE;
  const tableEnd = table + (<usize>2 << (isFastest ? FASTEST_BITS : FAST_BITS));
  const before = <u64>((input - 1) & 0xffff) * 0x0001_0001_0001_0001;
  for (let entry = table; entry < tableEnd; entry += 8) store<u64>(entry, before);
}

export function matchFastest(input: usize, start: usize, subEnd: usize, end: usize): usize {
  return matchWith(input, start, subEnd, end, FASTEST_BITS, 0);
}

export function matchFast(input: usize, start: usize, subEnd: usize, end: usize): usize {
  return matchWith(input, start, subEnd, end, FAST_BITS, 2);
}
