import { type Bar, type BarGroup, drawBarChart, type Panel } from "./bar-chart.ts";
import { describeLink } from "./link-speed.ts";
import type { Cell, Result } from "./run-cell.ts";
import { type Figure, spreadOf } from "./summary.ts";

/** A cell with its results. */
export interface MeasuredCell extends Cell {
  readonly results: readonly Result[];
}

/**
 * The picture of one scenario: wall and CPU time on loopback; when app image and cache image were ready on links, where
 * waiting, not work, decides.
 */
export function drawScenario(cells: readonly MeasuredCell[]): string {
  const scenario = cells[0]?.scenario;
  return drawBarChart(`Scenario ${scenario?.name}`, scenario?.about ?? "", cells.map(panelOf));
}

function panelOf({ link, results }: MeasuredCell): Panel {
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

function group(result: Result, ...figures: readonly Figure[]): BarGroup {
  const bars = figures.flatMap((figure, i): Bar[] => {
    const spread = spreadOf(result, figure);
    if (spread === undefined) return [];
    const { median, least, most } = spread;
    return [{ series: i === 0 ? 0 : 1, value: median / 1000, least: least / 1000, most: most / 1000 }];
  });
  return { label: result.contender.name, kind: result.contender.kind, bars };
}
