import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build } from "../../scripts/build.ts";
import { table } from "../demo/table.ts";
import { parseSelection, type Selection, USAGE } from "./arguments.ts";
import { GROWTH_HEADER, growthRows, growthVerdict, measuredSeries, measureGrowth } from "./growth.ts";
import { bufferBytes, describeLink, runInOwnNetwork } from "./links.ts";
import { type BenchBuild, makeBuild } from "./make-build.ts";
import { contendersOf } from "./peers.ts";
import { writeReport } from "./report.ts";
import { comparisons, HEADER, resultRows } from "./result-table.ts";
import {
  machineFacts,
  measuredNow,
  mergeResults,
  RESULTS,
  readResults,
  type StoredCell,
  type StoredPoint,
  type StoredResults,
  writeResults,
} from "./results.ts";
import { type Cell, runCell } from "./run-cell.ts";
import { describeCurve } from "./worker-curve/curve-report.ts";
import { measureCurve } from "./worker-curve/measure-curve.ts";

/* Measures exports of large builds, by turns with the reference exporter, peers and floors. `--help` says what to choose. */

const root = dirname(dirname(import.meta.dirname));
const program = process.env.REFERENCE_EXPORTER || undefined;
const seconds = (ms: number): string => (ms / 1000).toFixed(2);

type Measured = Pick<Selection, "cells" | "workers" | "rounds" | "sizeFactor">;

/** Keeps what was measured so far, so that nothing is lost when a later cell fails. */
type Keep = (measured: Partial<StoredResults>) => void;

async function measureCell(cell: Cell, selection: Measured, tempDir: string): Promise<StoredCell> {
  const { scenario, link, build } = cell;
  const { workers, rounds, sizeFactor } = selection;
  console.log(`\n${scenario.name}: ${scenario.about}\n${describeLink(link)}`);
  const results = await runCell(cell, contendersOf(scenario, link, workers, program), {
    rounds,
    tempDir,
    onRun: (name, run) => console.log(`  ${name.padEnd(40)} ${seconds(run.wallMs)} s`),
  });
  console.log(`\n${table(HEADER, resultRows(results))}\n`);
  for (const sentence of comparisons(results)) console.log(`  ${sentence}`);
  const { files, bytes } = build;
  const stored = results.map(({ contender: { name, kind, mode }, runs }) => ({
    contender: { name, kind, mode },
    runs: [...runs],
  }));
  const network = bufferBytes();
  return {
    scenario: scenario.name,
    link: link.name,
    ...(network === undefined ? {} : { bufferBytes: network }),
    sizeFactor,
    files,
    bytes,
    ...measuredNow(),
    results: stored,
  };
}

/** What this process measures: links go to one of their own, where connections buffer as little as on real ones. */
function ownPart(selection: Selection): Selection {
  const isOnLink = ({ link }: Selection["cells"][number]): boolean => link.bytesPerSecond !== undefined;
  if (bufferBytes() !== undefined)
    return { ...selection, cells: selection.cells.filter(isOnLink), growth: false, curve: false };
  if (!selection.cells.some(isOnLink)) return selection;
  if (runInOwnNetwork()) return { ...selection, cells: selection.cells.filter((cell) => !isOnLink(cell)) };
  console.log("- no network of its own: links are slower than they look until the kernel's buffers are full");
  return selection;
}

async function measureCells(selection: Measured, tempDir: string, keep: Keep): Promise<void> {
  let current: { readonly name: string; readonly directory: string; readonly build: BenchBuild } | undefined;
  for (const { scenario, link } of selection.cells) {
    const { name } = scenario;
    if (current?.name !== name) {
      if (current !== undefined) rmSync(current.directory, { recursive: true });
      const directory = mkdtempSync(join(tempDir, "build-"));
      current = { name, directory, build: makeBuild(directory, scenario, selection.sizeFactor) };
    }
    keep({ cells: [await measureCell({ scenario, link, build: current.build }, selection, tempDir)] });
  }
}

async function measureSeries({ rounds, sizeFactor, workers }: Selection, tempDir: string, keep: Keep): Promise<void> {
  const most = workers.at(-1) ?? 1;
  const measured: StoredPoint[] = [];
  await measureGrowth({ rounds, sizeFactor, workers: most, tempDir }, (point) => {
    measured.push(point);
    keep({ points: [point] });
    console.log(`  ${point.series} ${point.amount}: ${point.runs.map(({ wallMs }) => seconds(wallMs)).join(", ")} s`);
  });
  for (const series of measuredSeries(measured)) {
    console.log(`\n${series.name}: ${series.about}\n${table(GROWTH_HEADER, growthRows(series))}`);
    console.log(growthVerdict(series).text);
  }
}

function keeper({ writeTo }: Selection): Keep {
  if (writeTo === undefined) return () => undefined;
  const machine = machineFacts();
  return (measured) => {
    const results = mergeResults(readResults(writeTo), { machine, cells: [], points: [], ...measured });
    writeResults(writeTo, results);
    writeReport(writeTo, results);
  };
}

function earlierResults(directory: string): StoredResults {
  const results = readResults(directory);
  if (results === undefined) throw new Error(`there are no figures in ${join(directory, RESULTS)}`);
  return results;
}

async function main(): Promise<void> {
  const selection = parseSelection(process.argv.slice(2), root);
  if (selection === undefined) return console.log(USAGE);
  const { isReport, writeTo, rounds, sizeFactor } = selection;
  if (isReport && writeTo !== undefined) return writeReport(writeTo, earlierResults(writeTo));
  await build();
  for (const fact of machineFacts()) console.log(`- ${fact}`);
  if (program === undefined) console.log("- no reference: REFERENCE_EXPORTER is not set");
  const tempDir = mkdtempSync(join(tmpdir(), "tandem-bench-"));
  try {
    const keep = keeper(selection);
    const { growth, curve: isCurve, ...part } = ownPart(selection);
    await measureCells(part, tempDir, keep);
    if (isCurve) {
      const onProgress = (text: string): void => console.log(`  ${text}`);
      const curve = await measureCurve({ rounds, sizeFactor, cores: availableParallelism(), tempDir, onProgress });
      console.log(`\n${describeCurve(curve).join("\n\n")}\n`);
      keep({ curve });
    }
    if (growth) await measureSeries(selection, tempDir, keep);
  } finally {
    rmSync(tempDir, { recursive: true });
  }
}

await main();
