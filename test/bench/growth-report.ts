import { GROWTH, type GrowthSeries } from "./growth-series.ts";
import { drawLineChart, type LinePanel } from "./line-chart.ts";
import type { StoredPoint } from "./stored-results.ts";
import { spreadOf } from "./summary.ts";

/**
 * Above this a further unit counts as dearer at the end of a series than before it. A quadratic cost would make it dearer by
 * the steps between the points, which are of 2 to 20.
 */
const DEARER = 1.5;

export const GROWTH_HEADER: readonly string[] = [
  "",
  "wall s",
  "CPU s",
  "main thread s",
  "peak MB",
  "each further one, wall ms",
  "CPU ms",
];

/** One series as far as it was measured. */
export interface MeasuredSeries extends GrowthSeries {
  readonly measured: readonly StoredPoint[];
}

/** Series with at least two points, which are in order. */
export function measuredSeries(points: readonly StoredPoint[]): MeasuredSeries[] {
  return GROWTH.map((series) => ({
    ...series,
    measured: points.filter((point) => point.series === series.name).sort((a, b) => a.amount - b.amount),
  })).filter(({ measured }) => measured.length > 1);
}

type Figure = "wallMs" | "cpuMs" | "mainThreadMs" | "peakBytes";

const medianOf = (point: StoredPoint, figure: Figure): number => spreadOf(point, figure)?.median ?? Number.NaN;

/** What one more of what is counted costs from the point before on, in ms. */
function marginal(before: StoredPoint, point: StoredPoint, figure: Figure): number {
  return (medianOf(point, figure) - medianOf(before, figure)) / (point.amount - before.amount);
}

/** Medians of each point, and what a unit costs between a point and the one before. */
export function growthRows({ measured, unit }: MeasuredSeries): string[][] {
  return measured.map((point, i) => {
    const before = measured[i - 1];
    const seconds = (figure: Figure): string => (medianOf(point, figure) / 1000).toFixed(2);
    const each = (figure: Figure): string => (before === undefined ? "-" : marginal(before, point, figure).toFixed(2));
    const name = `${point.amount.toLocaleString("en")} ${point.amount === 1 ? unit[0] : unit[1]}`;
    const peak = (medianOf(point, "peakBytes") / 1e6).toFixed(1);
    return [name, seconds("wallMs"), seconds("cpuMs"), seconds("mainThreadMs"), peak, each("wallMs"), each("cpuMs")];
  });
}

/** Whether the last steps of a series cost more for each unit than the steps before, and how memory grew. */
export function growthVerdict({ measured, unit }: MeasuredSeries): {
  readonly isLinear: boolean;
  readonly text: string;
} {
  const [last, middle] = [measured.at(-1), measured.at(-2)] as [StoredPoint, StoredPoint];
  const first = measured[0] as StoredPoint;
  const peaks = measured.map((point) => medianOf(point, "peakBytes") / 1e6);
  const memory = `peak memory ${Math.min(...peaks).toFixed(0)} to ${Math.max(...peaks).toFixed(0)} MB`;
  const end = marginal(middle, last, "wallMs");
  const start = middle === first ? medianOf(first, "wallMs") / first.amount : marginal(first, middle, "wallMs");
  // Where a few units cost less than what a run varies by, only the end says something.
  const isLinear = end <= DEARER * Math.max(start, 0) || end * (last.amount - middle.amount) < 100;
  const costs = `${end.toFixed(2)} ms for each ${unit[0]} at the end, ${start > 0 ? `${start.toFixed(2)} ms` : "nothing that can be measured"} before`;
  return { isLinear, text: `${isLinear ? "Not more than linear" : "**More than linear**"}: ${costs}; ${memory}.` };
}

/** Wall time over the amount: a slope of one is linear. */
export function drawGrowth(series: readonly MeasuredSeries[]): string {
  const panels = series.map(({ name, unit, measured }): LinePanel => {
    const points = measured.map((point) => [point.amount, medianOf(point, "wallMs") / 1000] as const);
    const last = points.at(-1) as readonly [number, number];
    const linear = points.map(([amount]) => [amount, (last[1] * amount) / last[0]] as const).slice(-2);
    const lines = [
      { label: "wall time", tint: "tandem" as const, points },
      { label: "in proportion", tint: "floor" as const, points: linear },
    ];
    return { title: name, xLabel: unit[1], unit: "s", scales: "log-log", lines };
  });
  return drawLineChart("How an export grows", "wall time on loopback with -parallel, both scales logarithmic", panels);
}
