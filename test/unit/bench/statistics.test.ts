import { expect, test } from "vitest";
import type { Contender, Run } from "../../bench/run/contender.ts";
import type { Result } from "../../bench/run/run-cell.ts";
import { estimateMedian, LEAST_PAIRS, ratio, spreadOf, verdictOf } from "../../bench/statistics.ts";

const contender: Contender = { name: "one", kind: "tandem", run: () => Promise.reject(new Error("not run")) };

function resultOf(...wallTimes: readonly number[]): Result {
  const runs = wallTimes.map((wallMs): Run => ({ wallMs, cpuMs: 0, peakBytes: 0, writtenBytes: 0 }));
  return { contender, runs };
}

test.each([
  [[5], { median: 5, least: 5, most: 5 }],
  [[9, 1, 10], { median: 9, least: 1, most: 10 }],
  [[4, 1, 2, 3], { median: 2.5, least: 1, most: 4 }],
])("spread of %j", (times, expected) => {
  expect(spreadOf(resultOf(...times), "wallMs")).toEqual(expected);
});

test("a figure that no run has", () => {
  expect(spreadOf(resultOf(1), "appReadyMs")).toBeUndefined();
  expect(ratio(resultOf(1), resultOf(1), "appReadyMs")).toBeUndefined();
});

test("a ratio says how many times less the first takes, of medians", () => {
  expect(ratio(resultOf(1, 2, 9), resultOf(8), "wallMs")).toBe(4);
  expect(ratio(resultOf(1), undefined, "wallMs")).toBeUndefined();
  const same = resultOf(1);
  expect(ratio(same, same, "wallMs")).toBeUndefined();
});

test.each([
  // Ranks of the interval: the largest k with P(X < k) of at most 2.5% for a fair coin thrown n times.
  [6, 1],
  [8, 1],
  [9, 2],
  [15, 4],
  [20, 6],
  [100, 40],
])("the interval of %i values leaves out %i - 1 at each end", (n, rank) => {
  const values = Array.from({ length: n }, (_, i) => i + 1);
  expect(estimateMedian(values.toReversed())).toEqual({
    median: (n + 1) / 2,
    low: rank,
    high: n + 1 - rank,
    pairs: n,
  });
});

test("fewer values than needed bound nothing", () => {
  const values = Array.from({ length: LEAST_PAIRS - 1 }, () => 0.5);
  expect(estimateMedian(values)).toMatchObject({ median: 0.5, low: 0, high: Number.POSITIVE_INFINITY });
  expect(verdictOf(estimateMedian(values))).toBe("no difference seen");
});

test.each([
  [[0.7, 0.8, 0.9, 0.95, 0.97, 0.99], "faster"],
  [[1.01, 1.02, 1.1, 1.2, 1.3, 9], "slower"],
  [[0.7, 0.8, 0.9, 0.95, 0.97, 1.01], "no difference seen"],
  [[1, 1, 1, 1, 1, 1], "no difference seen"],
])("ratios of %j are %s", (ratios, verdict) => {
  expect(verdictOf(estimateMedian(ratios))).toBe(verdict);
});
