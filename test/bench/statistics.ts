import type { Run } from "./contender.ts";
import type { Result } from "./run-cell.ts";

/** Median and range of a figure over the runs. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** The figures of a run that are numbers, by name. */
export type Figure = keyof Run;

/** @returns undefined when no run has that figure */
export function spreadOf({ runs }: Pick<Result, "runs">, figure: Figure): Spread | undefined {
  return spreadOfNumbers(runs.flatMap((run) => run[figure] ?? []));
}

/** @returns undefined when there is none */
export function spreadOfNumbers(numbers: readonly number[]): Spread | undefined {
  const sorted = [...numbers].sort((a, b) => a - b);
  const [least, most] = [sorted[0], sorted.at(-1)];
  if (least === undefined || most === undefined) return undefined;
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? most;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? least) + upper) / 2;
  return { median, least, most };
}

/** How many times less of a figure `result` takes than `other`; undefined when either does not have it. */
export function ratio(result: Result, other: Result | undefined, figure: Figure): number | undefined {
  if (other === undefined || other === result) return undefined;
  const [mine, theirs] = [spreadOf(result, figure)?.median, spreadOf(other, figure)?.median];
  return mine === undefined || theirs === undefined || mine === 0 ? undefined : theirs / mine;
}
