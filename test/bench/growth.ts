import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseLink } from "./network/links.ts";
import { drawLineChart, type LinePanel } from "./report/charts.ts";
import { measuredNow, type StoredPoint } from "./results.ts";
import { tandem } from "./run/contender.ts";
import { makeBuild } from "./run/make-build.ts";
import { runCell } from "./run/run-cell.ts";
import { type BenchLayer, type Contents, launchOnly, plain, type Scenario, shared } from "./scenarios.ts";
import { spreadOf } from "./statistics.ts";

/** One build of a series. */
export interface GrowthPoint {
  /** In the unit of the series. */
  readonly amount: number;
  readonly scenario: Scenario;
  /** Tags of the app image. */
  readonly tags: number;
}

/** Builds that differ in one number only. */
interface GrowthSeries {
  readonly name: string;
  /** For the report, a sentence without its period. */
  readonly about: string;
  /** Singular and plural. */
  readonly unit: readonly [string, string];
  readonly points: readonly GrowthPoint[];
}

const MB = 1e6;
const smallApp = plain("text", 0.004);

function point(amount: number, layers: readonly BenchLayer[], tags = 1): GrowthPoint {
  const scenario: Scenario = {
    name: `growth-${amount}`,
    title: "",
    about: "",
    layers,
    app: smallApp,
    before: "nothing",
    links: ["free"],
    moreLinks: [],
    modes: ["parallel"],
  };
  return { amount, scenario, tags };
}

const oneLayer = (contents: (megabytes: number) => Contents) => (megabytes: number) =>
  point(megabytes, [shared("layer", contents(megabytes))]);

/** One sparse file of zeros. */
const zeros = (megabytes: number): Contents => ({ pool: "zeros", unit: "bytes", amount: megabytes * MB });

export const oneLayerOfZeros = (megabytes: number): Scenario => oneLayer(zeros)(megabytes).scenario;

const GROWTH: readonly GrowthSeries[] = [
  {
    name: "layers",
    about: "layers of 0.2 MB of text each, in both images",
    unit: ["layer", "layers"],
    points: [1, 50, 500].map((count) =>
      point(
        count,
        Array.from({ length: count }, (_, i) => shared(`layer-${i}`, plain("text", 0.2))),
      ),
    ),
  },
  {
    name: "libraries",
    about: "one layer of shared libraries, in both images",
    unit: ["MB", "MB"],
    points: [1, 10, 100, 1000].map(oneLayer((megabytes) => plain("libraries", megabytes))),
  },
  {
    name: "zeros",
    about:
      "one layer with a single file of zeros, in both images: it isolates reading and hashing, and tests a layer of 20 GB",
    unit: ["MB", "MB"],
    points: [1, 10, 100, 1000, 20_000].map(oneLayer(zeros)),
  },
  {
    name: "tags",
    about: "a build of a few kB with several tags",
    unit: ["tag", "tags"],
    points: [1, 2, 5, 10].map((tags) => point(tags, [launchOnly("config", smallApp)], tags)),
  },
];

/**
 * Exports each build of each series on loopback, with `-parallel`.
 * @param onPoint called after each measurement
 */
export async function measureGrowth(
  { rounds, sizeFactor, workers, tempDir }: { rounds: number; sizeFactor: number; workers: number; tempDir: string },
  onPoint: (point: StoredPoint) => void,
): Promise<void> {
  for (const { name, points } of GROWTH) {
    for (const { amount, scenario, tags } of points) {
      const directory = mkdtempSync(join(tempDir, "build-"));
      const build = makeBuild(directory, scenario, name === "tags" ? 1 : sizeFactor);
      const contender = tandem("parallel", workers, tags);
      const cell = { scenario, link: parseLink("free"), build };
      const results = await runCell(cell, [contender], { rounds, tempDir, onRun: () => undefined });
      rmSync(directory, { recursive: true });
      onPoint({ series: name, amount, ...measuredNow(), runs: results.flatMap(({ runs }) => runs) });
    }
  }
}

/**
 * The limit from which a series counts as more than linear: the cost of one more unit at its end, relative to its
 * start. A quadratic cost grows with the distance between points, which is 2 to 20 times.
 */
const MOST_INCREASE = 1.5;

export const GROWTH_HEADER: readonly string[] = [
  "",
  "wall s",
  "CPU s",
  "main thread s",
  "peak MB",
  "each further one: wall ms",
  "CPU ms",
];

/** A series with its measured points. */
export interface MeasuredSeries extends GrowthSeries {
  readonly measured: readonly StoredPoint[];
}

/** Series with at least two points, in order. */
export function measuredSeries(points: readonly StoredPoint[]): MeasuredSeries[] {
  return GROWTH.map((series) => ({
    ...series,
    measured: points.filter((point) => point.series === series.name).sort((a, b) => a.amount - b.amount),
  })).filter(({ measured }) => measured.length > 1);
}

type Figure = "wallMs" | "cpuMs" | "mainThreadMs" | "peakBytes";

const medianOf = (point: StoredPoint, figure: Figure): number => spreadOf(point, figure)?.median ?? Number.NaN;

/** The cost of one more unit between two points, in ms. */
function marginal(before: StoredPoint, point: StoredPoint, figure: Figure): number {
  return (medianOf(point, figure) - medianOf(before, figure)) / (point.amount - before.amount);
}

/** Medians of each point, and the cost of one more unit since the point before. */
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

/** Whether one more unit costs more at the end of a series than before, and the range of memory. */
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
  // If a few units cost less than the noise of a run, only the end is significant.
  const isLinear = end <= MOST_INCREASE * Math.max(start, 0) || end * (last.amount - middle.amount) < 100;
  const before = start > 0 ? `${start.toFixed(2)} ms` : "nothing measurable";
  const costs = `${end.toFixed(2)} ms per ${unit[0]} at the end, ${before} before`;
  return { isLinear, text: `${isLinear ? "Linear or less" : "**More than linear**"}: ${costs}; ${memory}.` };
}

/** Draws wall time over the amount; a slope of one is linear. */
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
