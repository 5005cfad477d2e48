import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawGrowth, GROWTH_HEADER, growthRows, growthVerdict, measuredSeries } from "../growth.ts";
import { describeLink, type Link, parseLink } from "../network/links.ts";
import type { BuildCost, Origin, StoredCell, StoredCreator, StoredPoint, StoredResults } from "../results.ts";
import { SCENARIOS, type Scenario } from "../scenarios.ts";
import { estimateMedian, medianOf } from "../statistics.ts";
import { describeCurve, drawCurve } from "../worker-curve/curve-report.ts";
import { frontPage } from "./front-page.ts";
import {
  APP_READY_HEADER,
  appReadyRows,
  comparedCells,
  type Draw,
  drawAppReady,
  drawCreator,
  drawScenario,
} from "./result-charts.ts";
import { comparisons, GLANCE_HEADER, glance, HEADER, markdownTable, resultRows } from "./result-table.ts";

const PICTURES = join("docs", "benchmarks");

/** Writes BENCHMARKS.md, and its pictures in docs/benchmarks, into a directory. */
export function writeReport(directory: string, results: StoredResults): void {
  mkdirSync(join(directory, PICTURES), { recursive: true });
  const draw: Draw = (name, alternative, svg) => {
    writeFileSync(join(directory, PICTURES, `${name}.svg`), svg);
    return `![${alternative}](${PICTURES}/${name}.svg)`;
  };
  const scenarios = SCENARIOS.flatMap((scenario) => {
    const cells = inOrder(results.cells.filter((cell) => cell.scenario === scenario.name));
    return cells.length === 0 ? [] : [describeScenario(scenario, cells, draw)];
  });
  const sections = [
    frontPage(results, draw),
    method(results),
    allScenarios(results.cells),
    ...scenarios,
    ...describeCreator(results.creator, draw),
    ...(results.buildCost === undefined ? [] : [describeBuildCost(results.buildCost)]),
    ...describeLinks(results.cells, draw),
    ...describeGrowth(results.points, draw),
    ...describeWorkers(results, draw),
  ];
  writeFileSync(join(directory, "BENCHMARKS.md"), `${sections.join("\n\n")}\n`);
}

function method({ machine }: StoredResults): string {
  return `## Method

${machine.map((fact) => `- ${fact}`).join("\n")}

Each table states the day of its results and the last commit that changed the engine. A run with \`--write\` replaces the tables that it measures and keeps the
others. To repeat one: \`REFERENCE_EXPORTER=… npm run bench -- --scenario java --link 22 --runs 2 --write\`. Programs that are not
installed are left out.

Times are medians over the runs, with the range in parentheses, from the start of the process. Contenders take turns. Each run
gets new, empty registries and a new temporary directory. After each run the benchmark checks that the app image has the same
diffIDs as every other exporter's. \`reference\` is the lifecycle's exporter with the same flags; ratios compare runs in the same mode, and above 1
tandem is better.

- *series* runs without \`-parallel\`, *parallel* with it.
- Layers consist of files of the machine. Before each run all of them are read into the page cache. 1 MB is 10^6 bytes.
- *peak* is resident memory and *anonymous* the part of it that the kernel cannot reclaim. *written* counts bytes written to
  disk, *sent* bytes sent to both registries (on loopback, bytes that they stored). *link alone* is the time that the busiest link
  needs for its bytes.
- A proxy simulates links: it limits bandwidth and adds latency. As root on Linux, proxy, registries and exporters run in a
  network namespace with small socket buffers. Otherwise the kernel buffers up to 32 MB in front of the proxy, and a slow link
  looks fast until they are full.
- Before a rebuild, the same contender exports the earlier build, unmeasured.
- Registries, links and exporters share the cores: the registries' work counts toward wall times, not CPU times.
- Peers build two images of the same directories and push them to the same registries. They do less: no labels, no
  metadata, no check of what the registry has, no reproducible tars. \`crane append\` takes tars that \`tar\` creates within the
  measured time; \`buildctl\` uses a new \`buildkitd\`, whose CPU time and memory count, but not its start.
- Floors do only a part of the work: the pipelines read, archive and compress every file of the build once;
  \`skopeo copy\` uploads a finished app image.`;
}

/** Tandem with the most workers beside the reference, with `-parallel` if that was measured. */
function allScenarios(all: readonly StoredCell[]): string {
  const rows = SCENARIOS.flatMap(({ name }) =>
    inOrder(all.filter(({ scenario }) => scenario === name)).flatMap((cell) => {
      const row = glance(cell.results);
      return row === undefined ? [] : [[`${name}: ${describeLink(parseLink(cell.link))}`, ...row, cell.commit]];
    }),
  );
  const head = `## All scenarios

tandem with the most workers and the reference, both with \`-parallel\` if the scenario measures it; medians.`;
  return [head, markdownTable(["", ...GLANCE_HEADER, "commit"], rows)].join("\n\n");
}

/** Loopback first, then faster links before slower ones, and one link for each registry before one for both. */
function inOrder<T extends { readonly link: string }>(cells: readonly T[]): T[] {
  const rank = (link: Link): number => (link.bytesPerSecond ?? Number.POSITIVE_INFINITY) - (link.isShared ? 1 : 0);
  return [...cells].sort((a, b) => Math.sign(rank(parseLink(b.link)) - rank(parseLink(a.link))) || 0);
}

function describeScenario(scenario: Scenario, cells: readonly StoredCell[], draw: Draw): string {
  const { name, about } = scenario;
  const [{ files, bytes }] = cells as readonly [StoredCell, ...StoredCell[]];
  const size = `${files.toLocaleString("en")} files, ${(bytes / 1e6).toFixed(1)} MB before compression`;
  const tables = cells.flatMap((cell) => {
    const sentences = comparisons(cell.results).map((sentence) => `- ${sentence}`);
    return [
      `### ${name}: ${describeLink(parseLink(cell.link))}`,
      describeRuns(cell),
      markdownTable(HEADER, resultRows(cell.results)),
      ...(sentences.length === 0 ? [] : [sentences.join("\n")]),
    ];
  });
  const head = `## ${name}\n\n${capitalize(about)}: ${size}.`;
  return [
    head,
    draw(
      name,
      `Bar chart of the tables below: times of each exporter in scenario ${name}`,
      drawScenario(scenario, cells),
    ),
    ...tables,
  ].join("\n\n");
}

function describeRuns({
  results,
  sizeFactor,
  bufferBytes,
  date,
  commit,
}: Pick<StoredCell, "sizeFactor" | "bufferBytes" | "date" | "commit"> & {
  readonly results: readonly { readonly runs: readonly unknown[] }[];
}): string {
  const runs = Math.max(...results.map((result) => result.runs.length));
  const scaled = sizeFactor === 1 ? "" : ` **Sizes × ${sizeFactor}: not for quoting.**`;
  const buffers = bufferBytes === undefined ? "" : ` Connections buffer at most ${bufferBytes >> 10} KiB at each end.`;
  return `${runs} ${runs === 1 ? "run" : "runs"}, ${describeOrigin({ date, commit })}.${buffers}${scaled}`;
}

function describeOrigin({ date, commit }: Origin): string {
  return `${date}, engine of commit ${commit}`;
}

function capitalize(sentence: string): string {
  return `${sentence[0]?.toUpperCase()}${sentence.slice(1)}`;
}

const CREATOR_HEADER = ["", "app image ready s", "end s", "build s", "CPU s"];

export function describeBuildCost({ runs, sizeFactor, ...origin }: BuildCost): string {
  const percent = (share: number): string => (100 * share).toFixed(1);
  const interval = (figure: keyof BuildCost["runs"][number]): string => {
    const { median, low, high } = estimateMedian(runs.map((run) => run[figure]));
    return `${percent(median)}% (${percent(low)} to ${percent(high)})`;
  };
  const scaled = sizeFactor === 1 ? "" : ` Sizes × ${sizeFactor}: not for quoting.`;
  return `While the creator makes layers, the steps of a compile on all cores wait for a core ${interval("waiting")} of their time, and
take ${interval("cpu")} more CPU time than while it is stopped: medians of ${runs.length} pairs of builds and their 95% intervals
(\`npm run bench -- --build-cost\`, ${describeOrigin(origin)}). The steps are short runs of the TypeScript compiler, one at a time
on each core. The creator is stopped half of the time, so it does its work in the other half: a build loses half as much.${scaled}`;
}

function describeCreator(all: readonly StoredCreator[], draw: Draw): string[] {
  const byTarget = Map.groupBy(inOrder(all), ({ target, link }) => `${target} ${link}`);
  const sections = [...byTarget.values()].flatMap((builds) => {
    const first = builds[0] as StoredCreator;
    const place = first.target === "daemon" ? "Docker daemon" : `registry, ${describeLink(parseLink(first.link))}`;
    const rows = builds.flatMap(({ build, results }) =>
      results.map(({ contender, runs }) => {
        const median = (figure: "readyMs" | "endMs" | "buildMs" | "cpuMs"): string =>
          (medianOf(runs.map((run) => run[figure])) / 1000).toFixed(2);
        return [`${build}: ${contender.name}`, median("readyMs"), median("endMs"), median("buildMs"), median("cpuMs")];
      }),
    );
    return [
      `### creator: ${place}`,
      describeRuns(first),
      draw(
        `creator-${first.target}-${first.link}`,
        `Bar chart: seconds from the end of the build until the app image is ready and until the end; ${place}`,
        drawCreator(place, builds),
      ),
      markdownTable(CREATOR_HEADER, rows),
    ];
  });
  if (sections.length === 0) return [];
  const head = `## creator

Whole builds with the lifecycle's phases (\`npm run bench -- --creator\`): a JRE layer of 108 MB, dependencies of 50 MB, a compile
that keeps all cores busy for 20 s with a fixed amount of work, and an app of 28 MB. *App image ready* and *end* count from the
end of the last buildpack; *build* is the time from the first buildpack's start to the last one's end.`;
  return [head, ...sections];
}

function describeLinks(all: readonly StoredCell[], draw: Draw): string[] {
  const byLink = Map.groupBy(inOrder(comparedCells(all)), ({ link }) => link);
  if (byLink.size === 0) return [];
  const sections = [...byLink].flatMap(([name, cells]) => {
    const link = parseLink(name);
    return [
      `### App image: ${describeLink(link)}`,
      draw(
        `app-ready-${name}`,
        `Bar chart: seconds until the app image is ready, with and without -parallel; ${describeLink(link)}`,
        drawAppReady(link, cells),
      ),
      markdownTable(APP_READY_HEADER, appReadyRows(cells)),
    ];
  });
  const head = `## What -parallel costs the app image

In RFC 0125's measurements the app image was ready later with \`-parallel\` (11.42 s instead of 8.96 s), because the cache's work
competed with it. These tables show the difference for each exporter, with results from the tables above.`;
  return [head, ...sections];
}

function describeGrowth(points: readonly StoredPoint[], draw: Draw): string[] {
  const series = measuredSeries(points);
  if (series.length === 0) return [];
  const sections = series.flatMap((one) => {
    const origins = new Set(one.measured.map(describeOrigin));
    return [
      `### Growth: ${one.name}`,
      `${capitalize(one.about)}. ${[...origins].join("; ")}.`,
      markdownTable(GROWTH_HEADER, growthRows(one)),
      growthVerdict(one).text,
    ];
  });
  const head = `## How an export grows

\`npm run bench -- --scale\`: builds that differ in one number only, on loopback, with \`-parallel\`, medians. *Each further one* is
the cost of one more layer, MB or tag between two rows. If it does not grow, the cost is linear.`;
  return [
    head,
    draw("growth", "Line charts: wall time by the number of layers, MB or tags of a build", drawGrowth(series)),
    ...sections,
  ];
}

function describeWorkers({ curve }: StoredResults, draw: Draw): string[] {
  if (curve === undefined) return [];
  const alternative = "Line charts: simulated speed-up over one worker, by the number of workers";
  return ["## From 1 to 16 workers", draw("workers", alternative, drawCurve(curve)), ...describeCurve(curve)];
}
