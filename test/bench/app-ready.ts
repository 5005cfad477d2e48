import { type BarGroup, drawBarChart, type Panel } from "./bar-chart.ts";
import { barOf } from "./chart-bars.ts";
import type { Mode } from "./contender.ts";
import { describeLink, type Link } from "./link-speed.ts";
import type { Result } from "./run-cell.ts";
import type { StoredCell } from "./stored-results.ts";
import { spreadOf } from "./summary.ts";

/*
 * RFC 0125 accepted that with `-parallel` the app image is ready later (8.96 s became 11.42 s), because the cache's work
 * competes with its own. This is where it is seen whether that is so.
 */

/** One exporter's two ways. */
interface Pair {
  readonly label: string;
  readonly kind: "tandem" | "reference";
  readonly series: Result;
  readonly parallel: Result;
}

/** The exporters of a cell that were measured both ways; of ours the one with most workers. */
function pairsOf({ results }: StoredCell): Pair[] {
  return (["tandem", "reference"] as const).flatMap((kind) => {
    const last = (mode: Mode): Result | undefined =>
      results.findLast(({ contender }) => contender.kind === kind && contender.mode === mode);
    const [series, parallel] = [last("series"), last("parallel")];
    if (series === undefined || parallel === undefined) return [];
    return [{ label: series.contender.name.replace(" series", ""), kind, series, parallel }];
  });
}

/** Cells in which something was measured both ways. */
export function comparedCells(cells: readonly StoredCell[]): StoredCell[] {
  return cells.filter((cell) => pairsOf(cell).length > 0);
}

/** The picture of one link: a panel for each scenario. */
export function drawAppReady(link: Link, cells: readonly StoredCell[]): string {
  const panels = cells.map((cell): Panel => {
    const groups = pairsOf(cell).map(
      ({ label, kind, series, parallel }): BarGroup => ({
        label,
        kind,
        bars: [...barOf(0, series, "appReadyMs"), ...barOf(1, parallel, "appReadyMs")],
      }),
    );
    return { title: `Scenario ${cell.scenario}`, series: ["without -parallel", "with -parallel"], groups };
  });
  return drawBarChart("Time until the app image is ready", describeLink(link), panels);
}

export const APP_READY_HEADER: readonly string[] = [
  "",
  "without `-parallel` s",
  "with `-parallel` s",
  "later by",
  "all ready, without s",
  "all ready, with s",
];

/** What `-parallel` costs the app image, and gains in all; medians. */
export function appReadyRows(cells: readonly StoredCell[]): string[][] {
  return cells.flatMap((cell) =>
    pairsOf(cell).map(({ label, series, parallel }) => {
      const ready = [series, parallel].map((result) => spreadOf(result, "appReadyMs")?.median ?? Number.NaN);
      const wall = [series, parallel].map((result) => spreadOf(result, "wallMs")?.median ?? Number.NaN);
      const [without = Number.NaN, withIt = Number.NaN] = ready;
      const later = `${((withIt / without - 1) * 100).toFixed(1)} %`;
      const seconds = (ms: number): string => (ms / 1000).toFixed(2);
      return [`${cell.scenario}: ${label}`, ...ready.map(seconds), later, ...wall.map(seconds)];
    }),
  );
}
