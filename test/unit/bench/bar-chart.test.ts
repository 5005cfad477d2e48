import { expect, test } from "vitest";
import { drawBarChart } from "../../bench/bar-chart.ts";

const bar = (series: 0 | 1, value: number) => ({ series, value, least: value, most: value });

function draw(label: string, values: readonly [number, number]): string {
  const groups = [{ label, kind: "tandem" as const, bars: [bar(0, values[0]), bar(1, values[1])] }];
  return drawBarChart("Title", "about", [{ title: "loopback", series: ["wall", "CPU"], groups }]);
}

/** Without the legend's bars. */
function widths(svg: string): number[] {
  const bars = svg.matchAll(/<rect class="tandem[^"]*" x="262" [^>]*width="([\d.]+)"/g);
  return Array.from(bars, ([, width]) => Number(width));
}

test("bars are as long as their values say", () => {
  const [wall = 0, cpu = 0] = widths(draw("a", [2, 1]));
  expect(wall).toBeGreaterThan(0);
  expect(cpu).toBeCloseTo(wall / 2, 0);
});

test("names are escaped", () => {
  expect(draw("tar <x> & gzip", [1, 1])).toContain("tar &lt;x&gt; &amp; gzip");
});

test("zero and very small values are drawn", () => {
  for (const svg of [draw("a", [0, 0]), draw("a", [0.0004, 0.0001])]) expect(svg).not.toMatch(/NaN|Infinity/);
});

test("there are colours for light and for dark", () => {
  const colours = [...draw("a", [1, 1]).matchAll(/--ground: (#\w+)/g)].map(([, colour]) => colour);
  expect(new Set(colours).size).toBe(2);
});
