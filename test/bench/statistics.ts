import type { Run } from "./run/contender.ts";
import type { Result } from "./run/run-cell.ts";

/** Median and range of a figure over the runs. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** The numeric figures of a run, by name. */
export type Figure = keyof Run;

/** @returns undefined if no run has that figure */
export function spreadOf({ runs }: Pick<Result, "runs">, figure: Figure): Spread | undefined {
  return spreadOfNumbers(runs.flatMap((run) => run[figure] ?? []));
}

/** @returns undefined for an empty list */
export function spreadOfNumbers(numbers: readonly number[]): Spread | undefined {
  const sorted = ascending(numbers);
  const [least, most] = [sorted[0], sorted.at(-1)];
  return least === undefined || most === undefined ? undefined : { median: medianOf(sorted), least, most };
}

/** @returns NaN for an empty list */
export function medianOf(numbers: readonly number[]): number {
  const sorted = ascending(numbers);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function ascending(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}

/** Factor by which `result` takes less of a figure than `other`; undefined if one of them lacks it. */
export function ratio(result: Result, other: Result | undefined, figure: Figure): number | undefined {
  if (other === undefined || other === result) return undefined;
  const [mine, theirs] = [spreadOf(result, figure)?.median, spreadOf(other, figure)?.median];
  return mine === undefined || theirs === undefined || mine === 0 ? undefined : theirs / mine;
}

/** A median, and the interval that contains the true median with a confidence of at least 95%. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly pairs: number;
}

const CONFIDENCE = 0.95;

/** Fewer values cannot give a 95% interval: the true median lies outside of 5 values in 1 of 16 cases. */
export const LEAST_PAIRS = 6;

/**
 * Estimates a median from its order statistics. The interval needs no assumption about the distribution and no random
 * numbers: the true median lies outside of `[k-th smallest, k-th largest]` only if fewer than `k` values fall on one
 * side of it, which is binomial.
 * @returns low 0 and high infinite for fewer values than {@link LEAST_PAIRS}
 */
export function estimateMedian(values: readonly number[]): Estimate {
  const sorted = ascending(values);
  const n = sorted.length;
  let rank = 0;
  // P(fewer than rank + 1 of n values on one side), both sides.
  for (let tail = 0.5 ** n; 2 * tail <= 1 - CONFIDENCE; tail += binomial(n, rank) * 0.5 ** n) rank += 1;
  const bounds = rank === 0 ? [0, Number.POSITIVE_INFINITY] : [sorted[rank - 1], sorted[n - rank]];
  return { median: medianOf(sorted), low: bounds[0] ?? 0, high: bounds[1] ?? Number.POSITIVE_INFINITY, pairs: n };
}

function binomial(n: number, k: number): number {
  let product = 1;
  for (let i = 1; i <= k; i++) product *= (n - k + i) / i;
  return product;
}

export type Verdict = "faster" | "slower" | "no difference seen";

/** @param estimate of the ratios new / old of a time */
export function verdictOf({ low, high }: Estimate): Verdict {
  if (high < 1) return "faster";
  return low > 1 ? "slower" : "no difference seen";
}
