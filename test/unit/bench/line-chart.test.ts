import { expect, test } from "vitest";
import { drawLineChart, type LinePanel } from "../../bench/line-chart.ts";

function draw(
  scales: LinePanel["scales"],
  points: readonly (readonly [number, number])[],
): readonly [number, number][] {
  const lines = [{ label: "ours", tint: "tandem" as const, points }];
  const svg = drawLineChart("Title", "about", [{ title: "panel", xLabel: "workers", unit: "x", scales, lines }]);
  const [, drawn = ""] = /<polyline class="tandem" points="([^"]*)"/.exec(svg) ?? [];
  return drawn.split(" ").map((pair) => pair.split(",").map(Number) as [number, number]);
}

test("steps by the same factor are equally wide", () => {
  const xs = draw("log-linear", [
    [1, 1],
    [2, 2],
    [4, 3],
    [16, 4],
  ]).map(([x]) => x);
  const step = (xs[1] ?? 0) - (xs[0] ?? 0);
  expect(step).toBeGreaterThan(0);
  expect((xs[2] ?? 0) - (xs[1] ?? 0)).toBeCloseTo(step, 0);
  expect((xs[3] ?? 0) - (xs[2] ?? 0)).toBeCloseTo(2 * step, 0);
});

test("more is higher, in proportion on a plain scale and by factors on a logarithmic one", () => {
  const heights = (scales: LinePanel["scales"]): number[] => {
    const ys = draw(scales, [
      [1, 1],
      [10, 10],
      [100, 100],
    ]).map(([, y]) => y);
    return [(ys[0] ?? 0) - (ys[1] ?? 0), (ys[1] ?? 0) - (ys[2] ?? 0)];
  };
  const [low = 0, high = 0] = heights("log-linear");
  expect(high / low).toBeCloseTo(10, 0);
  const [first = 0, second = 0] = heights("log-log");
  expect(first).toBeGreaterThan(0);
  expect(second).toBeCloseTo(first, 0);
});

test("one point is drawn", () => {
  for (const scales of ["log-log", "log-linear"] as const)
    expect(draw(scales, [[5, 5]]).flat()).not.toContain(Number.NaN);
});
