import { parseLink } from "../network/links.ts";
import type { Origin, StoredCell, StoredCreator, StoredResults } from "../results.ts";
import type { Result } from "../run/run-cell.ts";
import { FRONT_CELLS, findScenario } from "../scenarios.ts";
import { medianOf, ratio, spreadOf } from "../statistics.ts";
import { type Draw, drawFront, type FrontBars } from "./result-charts.ts";
import { markdownTable } from "./result-table.ts";

/* The opening of BENCHMARKS.md: one picture, one table, and how to repeat them. */

/** One row of the table: tandem beside the reference. */
interface FrontRow extends FrontBars {
  readonly cell: StoredCell;
}

/**
 * Writes the opening of BENCHMARKS.md. Rows come from `--front`; a row that it has not measured yet comes from the
 * scenario's own table. The table marks rows of earlier commits.
 */
export function frontPage(results: StoredResults, draw: Draw): string {
  const rows = frontRows(results);
  const builds = results.creator.filter(({ target, link }) => target === "registry" && link !== "free");
  const newest = newestOf([...rows.map(({ cell }) => cell), ...builds]);
  const isScaled = [...rows.map(({ cell }) => cell), ...builds].some(({ sizeFactor }) => sizeFactor !== 1);
  const marks = new Marks(newest);
  const table = [...rows.map((row) => describeRow(row, marks)), ...describeBuilds(builds, marks)];
  const pictured = rows.filter(({ cell }) => cell.link === "free");
  const [cores = "", memory = ""] = results.machine;
  const runs = Math.max(0, ...rows.map(({ tandem }) => tandem.runs.length));
  return `# Benchmarks

How long an export takes, compared with the exporter of the [lifecycle](https://github.com/buildpacks/lifecycle). Both export the
same build to an app image and a cache image, with \`-parallel\`. The machine has ${cores} and ${memory}; the
registries run on the same cores.

${draw("front", "Bar chart: seconds until the app image is ready, for tandem and the lifecycle", drawFront(pictured))}

${markdownTable(FRONT_HEADER, table)}

Medians of up to ${runs} runs${newest === undefined ? "" : `, measured on ${newest.date} with the engine of commit ${newest.commit}`}.${isScaled ? " **Reduced sizes: not for quoting.**" : ""}
*Sooner* and *less CPU* are the lifecycle's time divided by tandem's. Except for \`creator\`, the tables
below come from other runs, so their figures for the same scenario differ.${marks.describe()}

\`\`\`sh
npm run bench -- --quick           # is this tree faster or slower than main? Two minutes
REFERENCE_EXPORTER=/path/to/exporter REFERENCE_LIFECYCLE_DIR=/path/to/lifecycle \\
  npm run bench -- --front --write # measures this page again, about 20 minutes
npm run bench -- --help
\`\`\`

\`npm run bench -- --write\` generates this file from [results.json](docs/benchmarks/results.json); do not edit it.`;
}

const FRONT_HEADER = [
  "",
  "app image ready: tandem s",
  "lifecycle s",
  "sooner",
  "end: tandem s",
  "lifecycle s",
  "less CPU",
];

function frontRows({ front, cells }: StoredResults): FrontRow[] {
  return FRONT_CELLS.flatMap(({ scenario, link }) => {
    const isSame = (cell: StoredCell): boolean => cell.scenario === scenario && cell.link === link;
    const cell = front.find(isSame) ?? cells.find(isSame);
    const last = (kind: "tandem" | "reference"): Result | undefined =>
      cell?.results.findLast(({ contender }) => contender.kind === kind);
    const [tandem, reference] = [last("tandem"), last("reference")];
    if (cell === undefined || tandem === undefined || reference === undefined) return [];
    return [{ label: findScenario(scenario).title, cell, tandem, reference }];
  });
}

function describeRow({ label, cell, tandem, reference }: FrontRow, marks: Marks): string[] {
  const { bytesPerSecond } = parseLink(cell.link);
  const place = bytesPerSecond === undefined ? "" : `, over ${bytesPerSecond / 1e6} MB/s`;
  const seconds = (result: Result, figure: "appReadyMs" | "wallMs"): string =>
    showSeconds(spreadOf(result, figure)?.median ?? Number.NaN);
  const times = (figure: "appReadyMs" | "cpuMs"): string => showTimes(ratio(tandem, reference, figure) ?? Number.NaN);
  return [
    `${label}${place}${marks.of(cell)}`,
    ...[seconds(tandem, "appReadyMs"), seconds(reference, "appReadyMs"), times("appReadyMs")],
    ...[seconds(tandem, "wallMs"), seconds(reference, "wallMs"), times("cpuMs")],
  ];
}

const BUILD_TITLES = { first: "first build", rebuild: "nothing changed", change: "one dependency changed" } as const;

/** Whole builds, whose times count from the end of the build. */
function describeBuilds(builds: readonly StoredCreator[], marks: Marks): string[][] {
  return builds.flatMap((stored) => {
    const times = (kind: "tandem" | "reference", figure: "readyMs" | "endMs"): number =>
      medianOf(stored.results.find(({ contender }) => contender.kind === kind)?.runs.map((run) => run[figure]) ?? []);
    const [ready, reference] = [times("tandem", "readyMs"), times("reference", "readyMs")];
    const megabytes = (parseLink(stored.link).bytesPerSecond ?? 0) / 1e6;
    return [
      [
        `\`creator\` over ${megabytes} MB/s, ${BUILD_TITLES[stored.build]}, from the end of the build${marks.of(stored)}`,
        ...[showSeconds(ready), showSeconds(reference), showTimes(reference / ready)],
        ...[showSeconds(times("tandem", "endMs")), showSeconds(times("reference", "endMs")), "-"],
      ],
    ];
  });
}

function showSeconds(ms: number): string {
  return Number.isNaN(ms) ? "-" : (ms / 1000).toFixed(2);
}

function showTimes(times: number): string {
  return Number.isFinite(times) ? `${times.toFixed(1)} ×` : "-";
}

/** The last measurement; of several of one day the last in the list. */
function newestOf(origins: readonly Origin[]): Origin | undefined {
  return origins.reduce<Origin | undefined>(
    (newest, one) => (newest && newest.date > one.date ? newest : one),
    undefined,
  );
}

/** Footnotes for what was measured at other commits than the newest. */
class Marks {
  readonly #newest: Origin | undefined;
  readonly #earlier: string[] = [];

  constructor(newest: Origin | undefined) {
    this.#newest = newest;
  }

  of({ commit, date }: Origin): string {
    if (commit === this.#newest?.commit) return "";
    const text = `engine of commit ${commit} (${date})`;
    if (!this.#earlier.includes(text)) this.#earlier.push(text);
    return ` [${this.#earlier.indexOf(text) + 1}]`;
  }

  describe(): string {
    const notes = this.#earlier.map((text, i) => `[${i + 1}] ${text}`);
    return notes.length === 0 ? "" : ` Measured earlier: ${notes.join(", ")}.`;
  }
}
