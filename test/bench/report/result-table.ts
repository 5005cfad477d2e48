import type { Result } from "../run/run-cell.ts";
import { type Figure, ratio, type Spread, spreadOf } from "../statistics.ts";

interface Column {
  readonly title: string;
  readonly cell: (result: Result, reference: Result | undefined) => string;
}

const NONE = "-";

function seconds({ median, least, most }: Spread): string {
  const show = (ms: number): string => (ms / 1000).toFixed(2);
  return least === most ? show(median) : `${show(median)} (${show(least)}-${show(most)})`;
}

const time = (title: string, figure: Figure): Column => ({
  title,
  cell: (result) => {
    const spread = spreadOf(result, figure);
    return spread === undefined ? NONE : seconds(spread);
  },
});

const times = (title: string, figure: Figure): Column => ({
  title,
  cell: (result, reference) => ratio(result, reference, figure)?.toFixed(2) ?? NONE,
});

const size = (title: string, figure: Figure): Column => ({
  title,
  cell: (result) => {
    const spread = spreadOf(result, figure);
    return spread === undefined ? NONE : (spread.median / 1e6).toFixed(1);
  },
});

const COLUMNS: readonly Column[] = [
  { title: "", cell: ({ contender }) => contender.name },
  time("wall s", "wallMs"),
  times("x faster", "wallMs"),
  time("CPU s", "cpuMs"),
  times("x less CPU", "cpuMs"),
  time("app ready s", "appReadyMs"),
  times("x sooner", "appReadyMs"),
  time("cache ready s", "cacheReadyMs"),
  size("peak MB", "peakBytes"),
  size("anonymous MB", "anonymousBytes"),
  size("written MB", "writtenBytes"),
  size("sent MB", "sentBytes"),
  time("link alone s", "transferMs"),
];

export const HEADER: readonly string[] = COLUMNS.map(({ title }) => title);

/** Medians with their range, and ratios to the reference's run in the same mode. MB = 10^6 bytes. */
export function resultRows(results: readonly Result[]): string[][] {
  return results.map((result) => {
    const { kind, mode } = result.contender;
    const reference = results.find(({ contender }) => contender.kind === "reference" && contender.mode === mode);
    return COLUMNS.map(({ cell }) => cell(result, kind === "tandem" || kind === "reference" ? reference : undefined));
  });
}

export const GLANCE_HEADER: readonly string[] = [
  "wall s",
  "reference s",
  "x faster",
  "x less CPU",
  "app ready s",
  "reference s",
  "x sooner",
];

/** Tandem with the most workers beside the reference, in the last mode measured for both. */
export function glance(results: readonly Result[]): string[] | undefined {
  const last = (kind: Result["contender"]["kind"]): Result | undefined =>
    results.findLast(({ contender }) => contender.kind === kind);
  const [ours, reference] = [last("tandem"), last("reference")];
  if (ours === undefined || reference === undefined) return undefined;
  const median = (result: Result, figure: Figure): string => {
    const spread = spreadOf(result, figure);
    return spread === undefined ? NONE : (spread.median / 1000).toFixed(2);
  };
  const times = (figure: Figure): string => ratio(ours, reference, figure)?.toFixed(2) ?? NONE;
  const [wall, ready] = (["wallMs", "appReadyMs"] as const).map((figure) => [
    median(ours, figure),
    median(reference, figure),
    times(figure),
  ]);
  return [...(wall ?? []), times("cpuMs"), ...(ready ?? [])];
}

/** Compares the fastest of tandem's results with each peer and floor, one sentence each. */
export function comparisons(results: readonly Result[]): string[] {
  const ours = results.filter(({ contender }) => contender.kind === "tandem");
  const wall = (result: Result): number => spreadOf(result, "wallMs")?.median ?? Number.POSITIVE_INFINITY;
  const [best] = [...ours].sort((a, b) => wall(a) - wall(b));
  if (best === undefined) return [];
  return results
    .filter(({ contender }) => contender.kind === "peer" || contender.kind === "floor")
    .map((other) => {
      const share = wall(best) / wall(other);
      return `${best.contender.name} takes ${share.toFixed(2)} × the time of \`${other.contender.name}\`.`;
    });
}

/** A Markdown table; all columns but the first are right-aligned. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = header.map((_, i) => (i === 0 ? "---" : "---:"));
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}
