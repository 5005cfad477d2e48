import { CHAIN, HASH3_TABLE, HASH_TABLE, LITERALS, SEQUENCES, WINDOW, scratch } from "./layout";
import { copyLiterals, endSequences, putLongSequence, startSequences } from "./sequences";
import { commonBytes16 } from "./vector";

/**
 * The matcher of the thorough levels: chains of positions with the same hash of 4 bytes, searched from the nearest,
 * with lazy matching: a match is taken only if the next position, or the next two, have no better one. `matchChains`
 * takes and returns what the functions of the fast matcher do.
 */

/**
 * What a level chooses: candidates to try per position (`depth`); the length of a match that ends the search
 * (`enough`); the length below which a match waits for the next position, 0 for a greedy parse (`waitBelow`), and
 * whether it also waits for the one after (`waitsTwice`). Without matches, steps grow by one per 2^skipShift literals.
 */
let depth: u32 = 0;
let enough: usize = 0;
let waitBelow: usize = 0;
let waitsTwice: bool = false;
let skipShift: usize = 0;

let foundDistance: usize = 0;

const HASH_BITS: u32 = 16;
const HASH3_BITS: u32 = 13;
/** Three literals are cheaper than a match of 3 from farther away. */
const FARTHEST_THREE: usize = 4096;
const LONGEST_STEP: usize = 32;

/** Empties the tables, so that the output depends on the block alone. The chain is reached only through them. */
export function startChains(
  newDepth: u32,
  newEnough: usize,
  newWaitBelow: usize,
  newWaitsTwice: bool,
  newSkipShift: usize,
): void {
  depth = newDepth;
  enough = newEnough;
  waitBelow = newWaitBelow;
  waitsTwice = newWaitsTwice;
  skipShift = newSkipShift;
  memory.fill(scratch + HASH_TABLE, 0, 4 << HASH_BITS);
  memory.fill(scratch + HASH3_TABLE, 0, 4 << HASH3_BITS);
}

@inline
function slotOf(word: u32): usize {
  return <usize>((word * 0x9e3779b1) >> (32 - HASH_BITS)) << 2;
}

@inline
function slotOfThree(word: u32): usize {
  return <usize>(((word << 8) * 0x9e3779b1) >> (32 - HASH3_BITS)) << 2;
}

@inline
function chained(base: usize, at: usize): usize {
  return base + ((at & (WINDOW - 1)) << 2);
}

@inline
function enter(base: usize, at: usize): void {
  const word = load<u32>(at);
  const slot = base + slotOf(word);
  store<u32>(chained(base, at), load<u32>(slot, HASH_TABLE), CHAIN);
  store<u32>(slot, <u32>at, HASH_TABLE);
  store<u32>(base + slotOfThree(word), <u32>at, HASH3_TABLE);
}

@inline
function matchLength(at: usize, candidate: usize, room: usize): usize {
  let length = <usize>commonBytes16(at, candidate);
  if (length == 16) {
    while (length < room) {
      const equal = <usize>commonBytes16(at + length, candidate + length);
      length += equal;
      if (equal < 16) break;
    }
  }
  return min<usize>(length, room);
}

/**
 * Returns the length of a match longer than `best` (3 or more) and sets `foundDistance`, or returns `best` if there is
 * none. Call before the position is entered: its place in the chain still holds the position a whole window before,
 * which may be a candidate.
 */
@inline
function longest(base: usize, at: usize, end: usize, best: usize, candidates: u32): usize {
  const room = end - at;
  if (best >= room) return best;
  let last = load<u32>(at + best - 3);
  let candidate = <usize>load<u32>(base + slotOf(load<u32>(at)), HASH_TABLE);
  while (at - candidate - 1 < WINDOW) {
    // A longer match agrees with the best so far in one byte more. Compares nothing beyond the end.
    if (load<u32>(candidate + best - 3) == last) {
      const length = matchLength(at, candidate, room);
      if (length > best) {
        best = length;
        foundDistance = at - candidate;
        if (length >= enough || length >= room) break;
        last = load<u32>(at + best - 3);
      }
    }
    if (--candidates == 0) break;
    candidate = <usize>load<u32>(chained(base, candidate), CHAIN);
  }
  return best;
}

/** How much better a later match must be: a byte more is worth two doublings of the distance. */
@inline
function isBetter(length: usize, distance: usize, than: usize, thanDistance: usize, by: i32): bool {
  const bytes = <i32>length - <i32>than;
  const doublings = <i32>clz<u32>(<u32>distance) - <i32>clz<u32>(<u32>thanDistance);
  return 4 * bytes + doublings > by;
}

export function matchChains(input: usize, start: usize, subEnd: usize, end: usize): usize {
  startSequences();
  const base = scratch;
  let sequences = base + SEQUENCES;
  let literals = base + LITERALS;
  let anchor = start;
  let at = start;
  // Hashes a position only if 4 bytes are left.
  const hashEnd = end - min<usize>(end - input, 3);
  const limit = min<usize>(subEnd, hashEnd);

  while (at < limit) {
    let length = longest(base, at, end, 3, depth);
    let distance = foundDistance;
    if (length < 4) {
      const word = load<u32>(at);
      distance = at - <usize>load<u32>(base + slotOfThree(word), HASH3_TABLE);
      length = distance - 1 < FARTHEST_THREE && ((load<u32>(at - distance) ^ word) & 0xffffff) == 0 ? 3 : 0;
    }
    enter(base, at);
    let entered = at + 1;
    if (length == 0) {
      at += min<usize>(1 + ((at - anchor) >> skipShift), LONGEST_STEP);
      continue;
    }

    while (length < waitBelow && at + 1 < hashEnd) {
      // A good match is not worth a long search for a better one.
      const candidates = length >= 8 ? (depth + 3) >> 2 : (depth + 1) >> 1;
      const next = longest(base, at + 1, end, max<usize>(length - 1, 3), candidates);
      if (next >= length && next > 3 && isBetter(next, foundDistance, length, distance, 2)) {
        at++;
        enter(base, at);
        entered = at + 1;
        length = next;
        distance = foundDistance;
        continue;
      }
      if (!waitsTwice || at + 2 >= hashEnd) break;
      enter(base, at + 1);
      entered = at + 2;
      const second = longest(base, at + 2, end, max<usize>(length - 1, 3), candidates >> 1 | 1);
      if (second >= length && second > 3 && isBetter(second, foundDistance, length, distance, 6)) {
        at += 2;
        enter(base, at);
        entered = at + 1;
        length = second;
        distance = foundDistance;
        continue;
      }
      break;
    }

    const run = at - anchor;
    copyLiterals(literals, anchor, run);
    literals += run;
    sequences = putLongSequence(base, sequences, run, length, distance);
    at += length;
    anchor = at;
    for (const last = min<usize>(at, hashEnd); entered < last; entered++) enter(base, entered);
  }

  if (anchor < subEnd) {
    endSequences(sequences, literals, anchor, subEnd - anchor);
    return subEnd;
  }
  endSequences(sequences, literals, anchor, 0);
  return anchor;
}
