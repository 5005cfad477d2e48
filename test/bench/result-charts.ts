import { type Bar, type BarGroup, type BarPanel, drawBarChart } from "./charts.ts";
import type { Mode } from "./contender.ts";
import { describeLink, type Link, parseLink } from "./links.ts";
import type { StoredCell } from "./results.ts";
import type { Result } from "./run-cell.ts";
import type { Scenario } from "./scenarios.ts";
import { type Figure, spreadOf } from "./statistics.ts";

/**
 * The picture of one scenario: wall and CPU time on loopback; when app image and cache image were ready on links, where
 * waiting, not work, decides.
 */
export function drawScenario({ name, about }: Scenario, cells: readonly StoredCell[]): string {
  return drawBarChart(`Scenario ${name}`, about, cells.map(panelOf));
}

function panelOf({ link: name, results }: StoredCell): BarPanel {
  const link = parseLink(name);
  const title = describeLink(link);
  if (link.bytesPerSecond === undefined)
    return {
      title,
      series: ["wall time", "CPU time"],
      groups: results.map((result) => group(result, "wallMs", "cpuMs")),
    };
  return {
    title,
    series: ["app image ready", "cache image ready"],
    groups: results.map((result) =>
      result.contender.kind === "floor" ? group(result, "wallMs") : group(result, "appReadyMs", "cacheReadyMs"),
    ),
  };
}

function group(result: Result, first: Figure, second?: Figure): BarGroup {
  const bars = [...barOf(0, result, first), ...(second === undefined ? [] : barOf(1, result, second))];
  return { label: result.contender.name, kind: result.contender.kind, bars };
}

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
  const panels = cells.map((cell): BarPanel => {
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

/** A figure, which is in ms, as a bar in seconds; none when no run has it. */
export function barOf(series: Bar["series"], result: Result, figure: Figure): Bar[] {
  const spread = spreadOf(result, figure);
  if (spread === undefined) return [];
  const { median, least, most } = spread;
  return [{ series, value: median / 1000, least: least / 1000, most: most / 1000 }];
}
