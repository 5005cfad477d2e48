import type { Bar } from "./bar-chart.ts";
import type { Result } from "./run-cell.ts";
import { type Figure, spreadOf } from "./summary.ts";

/** A figure, which is in ms, as a bar in seconds; none when no run has it. */
export function barOf(series: Bar["series"], result: Result, figure: Figure): Bar[] {
  const spread = spreadOf(result, figure);
  if (spread === undefined) return [];
  const { median, least, most } = spread;
  return [{ series, value: median / 1000, least: least / 1000, most: most / 1000 }];
}
