import { expect, test } from "vitest";
import { drawGrowth, growthRows, growthVerdict, measuredSeries } from "../../bench/growth.ts";
import type { StoredPoint } from "../../bench/results.ts";

function layers(wallMs: (count: number) => number): StoredPoint[] {
  return [500, 1, 50].map((amount) => ({
    series: "layers",
    amount,
    date: "",
    commit: "",
    runs: [{ wallMs: wallMs(amount), cpuMs: wallMs(amount), peakBytes: 150e6, writtenBytes: 0 }],
  }));
}

const only = (points: readonly StoredPoint[]) =>
  measuredSeries(points)[0] as NonNullable<ReturnType<typeof measuredSeries>[0]>;

test.each([
  ["linear", (count: number) => 300 + 8 * count, true],
  ["linear with a small first step", (count: number) => 300 + 8 * count + (count === 1 ? 50 : 0), true],
  ["quadratic", (count: number) => 300 + 8 * count + 0.05 * count ** 2, false],
])("%s", (_, wallMs, isLinear) => {
  expect(growthVerdict(only(layers(wallMs))).isLinear).toBe(isLinear);
});

test("rows are in order and show the cost of a further one", () => {
  const rows = growthRows(only(layers((count) => 300 + 8 * count)));
  expect(rows.map((row) => [row[0], row[5]])).toEqual([
    ["1 layer", "-"],
    ["50 layers", "8.00"],
    ["500 layers", "8.00"],
  ]);
});

test("a series of one point says nothing, and a picture has a line for each series", () => {
  expect(measuredSeries(layers(() => 1).slice(0, 1))).toEqual([]);
  expect(drawGrowth([only(layers((count) => count))]).match(/<polyline class="tandem"/g)).toHaveLength(1);
});
