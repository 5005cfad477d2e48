import { matchChains, startChains } from "./chain-matcher";
import { matchFast, matchFastest, startFast } from "./fast-matcher";
import { LARGEST_SUB_BLOCK, SMALLEST_SUB_BLOCK } from "./layout";

/**
 * The levels: 1 and 2 use the fast matcher, 3 to 9 increasingly long chains; others are clamped to these.
 * docs/tuning.md#compression has their speeds and sizes.
 */

export let subBlockBytes: usize = 0;

export function startLevel(level: i32, input: usize): void {
  subBlockBytes = level > 2 ? SMALLEST_SUB_BLOCK : LARGEST_SUB_BLOCK;
  if (level <= 2) startFast(level < 2, input);
  // depth, enough, wait below, waits twice, skip shift
  else if (level == 3) startChains(3, 32, 0, false, 7);
  else if (level == 4) startChains(4, 32, 16, false, 7);
  else if (level == 5) startChains(8, 48, 24, false, 8);
  else if (level == 6) startChains(16, 64, 32, false, 9);
  else if (level == 7) startChains(40, 128, 64, false, 9);
  else if (level == 8) startChains(100, 258, 128, true, 10);
  else startChains(600, 258, 258, true, 11);
}

export function matchAt(level: i32, input: usize, start: usize, subEnd: usize, end: usize): usize {
  if (level <= 1) return matchFastest(input, start, subEnd, end);
  if (level == 2) return matchFast(input, start, subEnd, end);
  return matchChains(input, start, subEnd, end);
}
