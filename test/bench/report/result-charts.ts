import { describeLink, type Link, parseLink } from "../network/links.ts";
import type { StoredCell, StoredCreator } from "../results.ts";
import type { Mode } from "../run/contender.ts";
import type { Result } from "../run/run-cell.ts";
import type { Scenario } from "../scenarios.ts";
import { type Figure, spreadOf, spreadOfNumbers } from "../statistics.ts";
import { type Bar, type BarGroup, type BarPanel, drawBarChart, seriesLegend } from "./charts.ts";

/** Writes a picture. @returns its Markdown, whose alternative text says what the picture compares */
export type Draw = (name: string, alternative: string, svg: string) => string;

/** Converts a figure from ms into a bar in seconds; no bar if no run has it. */
function barsOf(result: Result, figure: Figure, isSecond = false): Bar[] {
  return barsOfTimes(
    result.contender.kind,
    result.runs.flatMap((run) => run[figure] ?? []),
    isSecond,
  );
}

function barsOfTimes(tint: Bar["tint"], times: readonly number[], isSecond = false): Bar[] {
  const spread = spreadOfNumbers(times);
  if (spread === undefined) return [];
  const { median, least, most } = spread;
  return [{ tint, isSecond, value: median / 1000, least: least / 1000, most: most / 1000 }];
}

/** One row of the front page's chart. */
export interface FrontBars {
  readonly label: string;
  readonly tandem: Result;
  readonly reference: Result;
}

/** Draws when the app image is ready, tandem beside the reference. */
export function drawFront(rows: readonly FrontBars[]): string {
  const panel: BarPanel = {
    title: "Seconds, median of the runs; less is better",
    legend: [
      { label: "tandem", tint: "tandem", isSecond: false },
      { label: "lifecycle", tint: "reference", isSecond: false },
    ],
    groups: rows.map(({ label, tandem, reference }) => ({
      label,
      bars: [...barsOf(tandem, "appReadyMs"), ...barsOf(reference, "appReadyMs")],
    })),
  };
  return drawBarChart("Time until the app image is ready", "export to registries on the same machine", [panel]);
}

/** Draws wall and CPU time on loopback, and on links, where waiting dominates, when each image is ready. */
export function drawScenario({ name, about }: Scenario, cells: readonly StoredCell[]): string {
  return drawBarChart(`Scenario ${name}`, about, cells.map(panelOf));
}

function panelOf({ link: name, results }: StoredCell): BarPanel {
  const link = parseLink(name);
  const title = describeLink(link);
  if (link.bytesPerSecond === undefined)
    return {
      title,
      legend: seriesLegend("wall time", "CPU time"),
      groups: results.map((result) => group(result, "wallMs", "cpuMs")),
    };
  return {
    title,
    legend: seriesLegend("app image ready", "cache image ready"),
    groups: results.map((result) =>
      result.contender.kind === "floor" ? group(result, "wallMs") : group(result, "appReadyMs", "cacheReadyMs"),
    ),
  };
}

function group(result: Result, first: Figure, second?: Figure): BarGroup {
  const bars = [...barsOf(result, first), ...(second === undefined ? [] : barsOf(result, second, true))];
  return { label: result.contender.name, bars };
}

const BUILD_TITLES = { first: "First build", rebuild: "Nothing changed", change: "One dependency changed" } as const;

/** Draws when app image and process are done, counted from the end of the build. */
export function drawCreator(title: string, builds: readonly StoredCreator[]): string {
  const panels = builds.map(
    ({ build, results }): BarPanel => ({
      title: BUILD_TITLES[build],
      legend: seriesLegend("app image ready", "end"),
      groups: results.map(({ contender: { name, kind }, runs }) => {
        const times = (figure: "readyMs" | "endMs"): number[] => runs.map((run) => run[figure]);
        return {
          label: name,
          bars: [...barsOfTimes(kind, times("readyMs")), ...barsOfTimes(kind, times("endMs"), true)],
        };
      }),
    }),
  );
  return drawBarChart("Seconds after the end of the build", title, panels);
}

/** An exporter measured both without and with `-parallel`. */
interface Pair {
  readonly label: string;
  readonly series: Result;
  readonly parallel: Result;
}

/** Of our own, the one with the most workers. */
function pairsOf({ results }: StoredCell): Pair[] {
  return (["tandem", "reference"] as const).flatMap((kind) => {
    const last = (mode: Mode): Result | undefined =>
      results.findLast(({ contender }) => contender.kind === kind && contender.mode === mode);
    const [series, parallel] = [last("series"), last("parallel")];
    if (series === undefined || parallel === undefined) return [];
    return [{ label: series.contender.name.replace(" series", ""), series, parallel }];
  });
}

/** Cells in which an exporter was measured both without and with `-parallel`. */
export function comparedCells(cells: readonly StoredCell[]): StoredCell[] {
  return cells.filter((cell) => pairsOf(cell).length > 0);
}

/** Draws one link, with a panel for each scenario. */
export function drawAppReady(link: Link, cells: readonly StoredCell[]): string {
  const panels = cells.map(
    (cell): BarPanel => ({
      title: `Scenario ${cell.scenario}`,
      legend: seriesLegend("without -parallel", "with -parallel"),
      groups: pairsOf(cell).map(({ label, series, parallel }) => ({
        label,
        bars: [...barsOf(series, "appReadyMs"), ...barsOf(parallel, "appReadyMs", true)],
      })),
    }),
  );
  return drawBarChart("Time until the app image is ready", describeLink(link), panels);
}

export const APP_READY_HEADER: readonly string[] = [
  "",
  "app ready s, without `-parallel`",
  "with",
  "later by",
  "end s, without",
  "with",
];

/** Cost of `-parallel` for the app image, and its total saving; medians. */
export function appReadyRows(cells: readonly StoredCell[]): string[][] {
  return cells.flatMap((cell) =>
    pairsOf(cell).map(({ label, series, parallel }) => {
      const medians = (figure: Figure): [number, number] => [
        spreadOf(series, figure)?.median ?? Number.NaN,
        spreadOf(parallel, figure)?.median ?? Number.NaN,
      ];
      const [without, withIt] = medians("appReadyMs");
      const seconds = (ms: number): string => (ms / 1000).toFixed(2);
      const later = `${((withIt / without - 1) * 100).toFixed(1)}%`;
      const ends = medians("wallMs").map(seconds);
      return [`${cell.scenario}: ${label}`, seconds(without), seconds(withIt), later, ...ends];
    }),
  );
}
