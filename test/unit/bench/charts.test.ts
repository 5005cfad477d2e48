import { expect, test } from "vitest";
import { drawBarChart, drawLineChart, type LinePanel, seriesLegend } from "../../bench/report/charts.ts";

const bar = (isSecond: boolean, value: number) => ({
  tint: "tandem" as const,
  isSecond,
  value,
  least: value,
  most: value,
});

function drawBars(label: string, values: readonly [number, number]): string {
  const groups = [{ label, bars: [bar(false, values[0]), bar(true, values[1])] }];
  return drawBarChart("Title", "about", [{ title: "loopback", legend: seriesLegend("wall", "CPU"), groups }]);
}

/** Without the legend's bars. */
function widths(svg: string): number[] {
  const bars = svg.matchAll(/<rect class="tandem[^"]*" x="262" [^>]*width="([\d.]+)"/g);
  return Array.from(bars, ([, width]) => Number(width));
}

test("bars are as long as their values say", () => {
  const [wall = 0, cpu = 0] = widths(drawBars("a", [2, 1]));
  expect(wall).toBeGreaterThan(0);
  expect(cpu).toBeCloseTo(wall / 2, 0);
});

test("names are escaped", () => {
  expect(drawBars("tar <x> & gzip", [1, 1])).toContain("tar &lt;x&gt; &amp; gzip");
});

test("zero and very small values are drawn", () => {
  for (const svg of [drawBars("a", [0, 0]), drawBars("a", [0.0004, 0.0001])]) expect(svg).not.toMatch(/NaN|Infinity/);
});

test("there are colors for light and for dark", () => {
  const colors = [...drawBars("a", [1, 1]).matchAll(/--ground: (#\w+)/g)].map(([, color]) => color);
  expect(new Set(colors).size).toBe(2);
});

function drawLines(
  scales: LinePanel["scales"],
  points: readonly (readonly [number, number])[],
): readonly [number, number][] {
  const lines = [{ label: "ours", tint: "tandem" as const, points }];
  const svg = drawLineChart("Title", "about", [{ title: "panel", xLabel: "workers", unit: "x", scales, lines }]);
  const [, drawn = ""] = /<polyline class="tandem" points="([^"]*)"/.exec(svg) ?? [];
  return drawn.split(" ").map((pair) => pair.split(",").map(Number) as [number, number]);
}

test("steps by the same factor are equally wide", () => {
  const xs = drawLines("linear-log", [
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
    const ys = drawLines(scales, [
      [1, 1],
      [10, 10],
      [100, 100],
    ]).map(([, y]) => y);
    return [(ys[0] ?? 0) - (ys[1] ?? 0), (ys[1] ?? 0) - (ys[2] ?? 0)];
  };
  const [low = 0, high = 0] = heights("linear-log");
  expect(high / low).toBeCloseTo(10, 0);
  const [first = 0, second = 0] = heights("log-log");
  expect(first).toBeGreaterThan(0);
  expect(second).toBeCloseTo(first, 0);
});

test("one point is drawn", () => {
  for (const scales of ["log-log", "linear-log"] as const)
    expect(drawLines(scales, [[5, 5]]).flat()).not.toContain(Number.NaN);
});
