import { expect, test } from "vitest";
import type { Contender, Run } from "../../bench/contender.ts";
import type { Result } from "../../bench/run-cell.ts";
import { ratio, spreadOf } from "../../bench/statistics.ts";

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
