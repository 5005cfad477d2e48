import { type BarGroup, drawBarChart, type Panel } from "./bar-chart.ts";
import { barOf } from "./chart-bars.ts";
import { describeLink, parseLink } from "./link-speed.ts";
import type { Result } from "./run-cell.ts";
import type { Scenario } from "./scenarios.ts";
import type { StoredCell } from "./stored-results.ts";
import type { Figure } from "./summary.ts";

/**
 * The picture of one scenario: wall and CPU time on loopback; when app image and cache image were ready on links, where
 * waiting, not work, decides.
 */
export function drawScenario({ name, about }: Scenario, cells: readonly StoredCell[]): string {
  return drawBarChart(`Scenario ${name}`, about, cells.map(panelOf));
}

function panelOf({ link: name, results }: StoredCell): Panel {
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
