import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawGrowth, GROWTH_HEADER, growthRows, growthVerdict, measuredSeries } from "./growth.ts";
import { describeLink, type Link, parseLink } from "./links.ts";
import { APP_READY_HEADER, appReadyRows, comparedCells, drawAppReady, drawScenario } from "./result-charts.ts";
import { comparisons, GLANCE_HEADER, glance, HEADER, markdownTable, resultRows } from "./result-table.ts";
import type { Origin, StoredCell, StoredPoint, StoredResults } from "./results.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";
import { describeCurve, drawCurve } from "./worker-curve/curve-report.ts";

const PICTURES = join("docs", "benchmarks");

/** Writes BENCHMARKS.md, and its pictures below docs/benchmarks, into the given directory. */
export function writeReport(directory: string, results: StoredResults): void {
  mkdirSync(join(directory, PICTURES), { recursive: true });
  const draw = (name: string, svg: string): string => {
    writeFileSync(join(directory, PICTURES, `${name}.svg`), svg);
    return `![${name}](${PICTURES}/${name}.svg)`;
  };
  const scenarios = SCENARIOS.flatMap((scenario) => {
    const cells = inOrder(results.cells.filter((cell) => cell.scenario === scenario.name));
    return cells.length === 0 ? [] : [describeScenario(scenario, cells, draw)];
  });
  const sections = [
    introduction(results),
    atAGlance(results.cells),
    ...scenarios,
    ...describeLinks(results.cells, draw),
    ...describeGrowth(results.points, draw),
    ...describeWorkers(results, draw),
  ];
  writeFileSync(join(directory, "BENCHMARKS.md"), `${sections.join("\n\n")}\n`);
}

/** Ours with the most workers beside the reference, both with `-parallel` where that was measured. */
function atAGlance(all: readonly StoredCell[]): string {
  const rows = SCENARIOS.flatMap(({ name }) =>
    inOrder(all.filter(({ scenario }) => scenario === name)).flatMap((cell) => {
      const row = glance(cell.results);
      return row === undefined ? [] : [[`${name}: ${describeLink(parseLink(cell.link))}`, ...row]];
    }),
  );
  const head =
    "## At a glance\n\nOurs with the most workers and the reference, with `-parallel` where that was measured; medians.";
  return [head, markdownTable(["", ...GLANCE_HEADER], rows)].join("\n\n");
}

type Draw = (name: string, svg: string) => string;

/** Loopback, then the faster link first, and a link for each registry before one for both. */
function inOrder(cells: readonly StoredCell[]): StoredCell[] {
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
      originOf(cell),
      markdownTable(HEADER, resultRows(cell.results)),
      ...(sentences.length === 0 ? [] : [sentences.join("\n")]),
    ];
  });
  const head = `## ${name}\n\n${about[0]?.toUpperCase()}${about.slice(1)}: ${size}.`;
  return [head, draw(name, drawScenario(scenario, cells)), ...tables].join("\n\n");
}

function originOf({ results, sizeFactor, bufferBytes, ...origin }: StoredCell): string {
  const runs = Math.max(...results.map((result) => result.runs.length));
  const quick = sizeFactor === 1 ? "" : ` **Sizes times ${sizeFactor}: not for quoting.**`;
  const buffers = bufferBytes === undefined ? "" : ` Connections buffer at most ${bufferBytes >> 10} KiB at each end.`;
  return `${runs} ${runs === 1 ? "run" : "runs"}, ${describeOrigin(origin)}.${buffers}${quick}`;
}

/** For people. */
export function describeOrigin({ date, commit }: Origin): string {
  return `${date}, engine of commit ${commit}`;
}

function describeLinks(all: readonly StoredCell[], draw: Draw): string[] {
  const byLink = Map.groupBy(inOrder(comparedCells(all)), ({ link }) => link);
  if (byLink.size === 0) return [];
  const sections = [...byLink].flatMap(([name, cells]) => {
    const link = parseLink(name);
    return [
      `### App image: ${describeLink(link)}`,
      draw(`app-ready-${name}`, drawAppReady(link, cells)),
      markdownTable(APP_READY_HEADER, appReadyRows(cells)),
    ];
  });
  return [
    `## What -parallel costs the app image

RFC 0125 accepted that the app image is ready later with \`-parallel\`. Here is by how much, for each exporter against itself;
the figures are those of the tables above, of ours with the most workers.`,
    ...sections,
  ];
}

function describeGrowth(points: readonly StoredPoint[], draw: Draw): string[] {
  const series = measuredSeries(points);
  if (series.length === 0) return [];
  const sections = series.flatMap((one) => {
    const origins = new Set(one.measured.map(describeOrigin));
    return [
      `### Growth: ${one.name}`,
      `${one.about[0]?.toUpperCase()}${one.about.slice(1)}. ${[...origins].join("; ")}.`,
      markdownTable(GROWTH_HEADER, growthRows(one)),
      growthVerdict(one).text,
    ];
  });
  const head = `## How an export grows

\`npm run bench -- --scale\`: builds that differ in one number only, on loopback, with \`-parallel\`, medians. *Each further one* is
what a layer, MB or tag costs between a line and the line before: where that does not grow, nothing is quadratic.`;
  return [head, draw("growth", drawGrowth(series)), ...sections];
}

function describeWorkers({ curve }: StoredResults, draw: Draw): string[] {
  if (curve === undefined) return [];
  return ["## From 1 to 16 workers", draw("workers", drawCurve(curve)), ...describeCurve(curve)];
}

/** The head of BENCHMARKS.md: what was measured on what, and how to read it. */
export function introduction({ machine }: StoredResults): string {
  return `# Benchmarks

Written by \`npm run bench -- --write\`; do not edit. The figures are in [results.json](docs/benchmarks/results.json); a run
replaces those that it measures and keeps the rest, so each table says when and at which commit it was made.

${machine.map((fact) => `- ${fact}`).join("\n")}

To repeat a table: \`REFERENCE_EXPORTER=… npm run bench -- --scenario java --link 22 --runs 2 --write\`. Programs that are not
given or installed are left out.

Times are medians over the runs, the range in brackets, from the start of the process. Contenders run by turns, each run with
new, empty registries and a new temporary directory; after each run of an exporter the app images' diffIDs are compared.
\`reference\` is the lifecycle project's exporter with the same flags. Ratios are to it in the same mode, above 1 is better.

- *series* is without, *parallel* with \`-parallel\`.
- Layers are made of files of the machine, all of which are read before each run, so that nobody waits for the disk. MB are 10^6 bytes.
- *peak* is resident memory, *anonymous* the part of it that is no file's, *written* what was handed to disks, *sent* what went to both registries (on loopback: what they
  stored), *link alone* the time that the link with the most to carry needs for its bytes.
- Links are a proxy that lets bytes through at a rate and late. Where Linux and root allow, it and all others are in a network of
  their own, in which connections buffer little: else up to 32 MB would lie in the kernel before the "link", and nobody
  who sends could tell a slow link from a fast one until those are full.
- What a rebuild finds was exported by the same contender, unmeasured.
- Registries, links and exporter share the cores, so the registries' work is in the wall times, not in the CPU times.
- Peers make two images of the same directories and push them to the same registries, without what makes them images of Cloud
  Native Buildpacks: no labels, no metadata, no look at what is there, no reproducible tars. \`crane append\` gets tars that
  \`tar\` makes in the same time; \`buildctl\` talks to a new \`buildkitd\`, whose time and memory count, but not its start.
- Floors do only a part of the work: the pipelines read, tar and compress every file of the build once; \`skopeo copy\`
  uploads an app image that is compressed already.`;
}
