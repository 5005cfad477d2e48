import { HASH_TABLE, LITERALS, SEQUENCES, WINDOW, scratch } from "./layout";
import { copyLiterals, endSequences, putLongSequence, putSequence, startSequences } from "./sequences";
import { commonBytes16, commonBytes32 } from "./vector";

/**
 * The matcher of the fast levels: one candidate per hash of 5 bytes. Probes six neighboring positions together and
 * takes the longest of their matches, the earliest of equal ones: lazy matching with one branch for six positions. Each
 * probe compares 16 bytes, so that the next position is usually known without another load: the loop waits for these
 * results more than for anything else.
 *
 * The table holds the low 16 bits of addresses, so that a level's table stays in the cache. Of these, those within the
 * window count, so that an entry always stands for a distance of 1 to 32,768: a stale one for another place of the
 * input, which is a candidate like any other. In the first window no entry is stale, and an entry never stands for the
 * position itself, so that no candidate lies before the input. Distances are handled as negative offsets (`back`).
 */

const PROBES: usize = 6;
/** Bytes that a probe compares. */
const PROBE_BYTES: usize = 16;
/** Matches start only where the input has as many bytes left. */
const LEAST_ROOM: usize = 32;
/** Beyond this step, skipping would run over the next compressible header among small compressed files. */
const LONGEST_STEP: usize = 64;
/** As many literals without a match end a sub-block: a sequence has 16 bits for their number. */
const LONGEST_RUN: usize = 65535;

@inline
function slotOf(word: u64, bits: u64): usize {
  return <usize>(((word << 24) * 0x9e3779b185ebca87) >> (64 - bits)) << 1;
}

/** Enters a position and returns the offset of the latest one with its hash. */
@inline
function exchange(base: usize, at: usize, word: u64, bits: u64): u32 {
  const slot = base + slotOf(word, bits);
  const back = (<u32>load<u16>(slot, HASH_TABLE) - <u32>at) | -<u32>WINDOW;
  store<u16>(slot, <u16>at, HASH_TABLE);
  return back;
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

/** A candidate as one number, larger is better: equal bytes, then the earlier probe; offset in the low 15 bits. */
@inline
function rank(at: usize, back: u32, probe: u32): u32 {
  return (commonBytes16(at, at + back) << 18) + (((<u32>PROBES - probe) << 15) + back);
}

/**
 * Finds the sequences of one sub-block from `start` to `subEnd`, or to the end of a match that crosses it, or earlier
 * after LONGEST_RUN literals. Returns its end.
 */
@inline
function matchWith(input: usize, start: usize, subEnd: usize, end: usize, bits: u64, enterEach: usize): usize {
  startSequences();
  const base = scratch;
  let sequences = base + SEQUENCES;
  let literals = base + LITERALS;
  let anchor = start;
  // The first position has nothing before it, and a fresh table stands for it.
  let at = max<usize>(start, input + 1);
  const limit = min<usize>(subEnd, end - min<usize>(end - input, LEAST_ROOM)) - (PROBES - 1);

  while (at < limit) {
    const word0 = load<u64>(at);
    const word1 = load<u64>(at, 1);
    const word2 = load<u64>(at, 2);
    const word3 = load<u64>(at, 3);
    const word4 = load<u64>(at, 4);
    const word5 = load<u64>(at, 5);
    const back0 = exchange(base, at, word0, bits);
    const back1 = exchange(base, at + 1, word1, bits);
    const back2 = exchange(base, at + 2, word2, bits);
    const back3 = exchange(base, at + 3, word3, bits);
    const back4 = exchange(base, at + 4, word4, bits);
    const back5 = exchange(base, at + 5, word5, bits);
    const rank0 = rank(at, back0, 0);
    const rank1 = rank(at + 1, back1, 1);
    const rank2 = rank(at + 2, back2, 2);
    const rank3 = rank(at + 3, back3, 3);
    const rank4 = rank(at + 4, back4, 4);
    const rank5 = rank(at + 5, back5, 5);
    const best = max<u32>(
      max<u32>(max<u32>(rank0, rank1), max<u32>(rank2, rank3)),
      max<u32>(rank4, rank5),
    );
    const probed = at + PROBES;
    // A match has 4 bytes or more.
    if (best < 4 << 18) {
      at = probed + min<usize>((at - anchor) >> 5, LONGEST_STEP - PROBES);
      if (at + PROBES - anchor > LONGEST_RUN) break;
      continue;
    }
    const distance = 0 - <usize>(best | -<u32>WINDOW);
    at += PROBES - 1 - <usize>((best >> 15) & 7);

    let length = <usize>(best >> 18);
    if (length == PROBE_BYTES) {
      let farther = at + PROBE_BYTES;
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
    // Not back to a probed position, whose entry is itself.
    at = max<usize>(next, probed);
    anchor = next;
    enterPair(base, next - 2, bits);
  }

  // A step may have gone past the limit; literals end with the sub-block.
  if (anchor < subEnd) {
    const run = min<usize>(subEnd - anchor, LONGEST_RUN);
    endSequences(sequences, literals, anchor, run);
    return anchor + run;
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

/** Empties the table, so that the output depends on the block alone: entries stand for the input's first position. */
export function startFast(isFastest: bool, input: usize): void {
  const table = scratch + HASH_TABLE;
  const tableEnd = table + (<usize>2 << (isFastest ? FASTEST_BITS : FAST_BITS));
  const first = <u64>(input & 0xffff) * 0x0001_0001_0001_0001;
  for (let entry = table; entry < tableEnd; entry += 8) store<u64>(entry, first);
}

export function matchFastest(input: usize, start: usize, subEnd: usize, end: usize): usize {
  return matchWith(input, start, subEnd, end, FASTEST_BITS, 0);
}

export function matchFast(input: usize, start: usize, subEnd: usize, end: usize): usize {
  return matchWith(input, start, subEnd, end, FAST_BITS, 2);
}
