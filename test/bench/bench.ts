import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { ROOT, runScript } from "../../scripts/script.ts";
import { table } from "../demo/table.ts";
import { parseSelection, type Selection, USAGE } from "./arguments.ts";
import { compareWith } from "./compare.ts";
import { measureBuildCost } from "./creator/build-cost.ts";
import { measureCreator } from "./creator/creator.ts";
import { GROWTH_HEADER, growthRows, growthVerdict, measuredSeries, measureGrowth } from "./growth.ts";
import { bufferBytes, describeLink, runInOwnNetwork } from "./network/links.ts";
import { describeBuildCost, writeReport } from "./report/report.ts";
import { comparisons, HEADER, resultRows } from "./report/result-table.ts";
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
import { type BenchBuild, makeBuild } from "./run/make-build.ts";
import { contendersOf, frontContenders } from "./run/peers.ts";
import { type Cell, runCell } from "./run/run-cell.ts";
import { LEAST_PAIRS } from "./statistics.ts";
import { describeCurve } from "./worker-curve/curve-report.ts";
import { measureCurve } from "./worker-curve/measure-curve.ts";

/*
 * Measures exports of large builds, in turns with the reference exporter, peers and floors; `--help` lists the options.
 */

const referenceExporter = process.env.REFERENCE_EXPORTER || undefined;
const referenceLifecycle = process.env.REFERENCE_LIFECYCLE_DIR || undefined;
const seconds = (ms: number): string => (ms / 1000).toFixed(2);
const print = (text: string): void => console.log(`  ${text}`);

/** Stores results as soon as they exist, so that a later failure does not lose them. */
type Keep = (measured: Partial<StoredResults>) => void;

async function measureCell(cell: Cell, selection: Selection, tempDir: string): Promise<StoredCell> {
  const { scenario, link, build } = cell;
  const { workers, rounds, sizeFactor, isFront } = selection;
  console.log(`\n${scenario.name}: ${scenario.about}\n${describeLink(link)}`);
  const contenders = isFront
    ? frontContenders(workers, referenceExporter)
    : contendersOf(scenario, link, workers, referenceExporter);
  const results = await runCell(cell, contenders, {
    rounds,
    tempDir,
    onRun: (name, run) => print(`${name.padEnd(40)} ${seconds(run.wallMs)} s`),
  });
  console.log(`\n${table(HEADER, resultRows(results))}\n`);
  for (const sentence of comparisons(results)) print(sentence);
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

/** The part that this process measures. Links go to a process in a network namespace with small socket buffers. */
function ownPart(selection: Selection): Selection {
  const isLimited = ({ bytesPerSecond }: Selection["creatorLinks"][number]): boolean => bytesPerSecond !== undefined;
  const part = (isWanted: (link: Selection["creatorLinks"][number]) => boolean): Selection => ({
    ...selection,
    cells: selection.cells.filter(({ link }) => isWanted(link)),
    creatorLinks: selection.creatorLinks.filter(isWanted),
  });
  const limited = part(isLimited);
  if (bufferBytes() !== undefined) return { ...limited, growth: false, curve: false, buildCost: false };
  if (limited.cells.length === 0 && limited.creatorLinks.length === 0) return selection;
  if (runInOwnNetwork()) return part((link) => !isLimited(link));
  console.log(
    "- no network namespace (needs root): links look faster than they are until the kernel's buffers are full",
  );
  return selection;
}

async function measureCells(selection: Selection, tempDir: string, keep: Keep): Promise<void> {
  let current: { readonly name: string; readonly directory: string; readonly build: BenchBuild } | undefined;
  for (const { scenario, link } of selection.cells) {
    const { name } = scenario;
    if (current?.name !== name) {
      if (current !== undefined) rmSync(current.directory, { recursive: true });
      const directory = mkdtempSync(join(tempDir, "build-"));
      current = { name, directory, build: makeBuild(directory, scenario, selection.sizeFactor) };
    }
    const cell = await measureCell({ scenario, link, build: current.build }, selection, tempDir);
    keep(selection.isFront ? { front: [cell] } : { cells: [cell] });
  }
}

async function measureCreators(selection: Selection, tempDir: string, keep: Keep): Promise<void> {
  const { creatorLinks: links, isFront, rounds, sizeFactor } = selection;
  if (links.length === 0) return;
  if (referenceLifecycle === undefined)
    throw new Error("--creator needs REFERENCE_LIFECYCLE_DIR, a directory with the lifecycle's phases");
  // A round takes five minutes for each link.
  const amounts = { rounds: isFront ? 1 : rounds, sizeFactor };
  await measureCreator({ links, ...amounts, tempDir, lifecycle: referenceLifecycle, onProgress: print }, (creator) =>
    keep({ creator: [...creator] }),
  );
}

async function measureCost({ rounds, sizeFactor }: Selection, tempDir: string, keep: Keep): Promise<void> {
  if (referenceLifecycle === undefined)
    throw new Error("--build-cost needs REFERENCE_LIFECYCLE_DIR, a directory with the lifecycle's phases");
  const amounts = { runs: (LEAST_PAIRS / 2) * rounds, sizeFactor };
  const buildCost = await measureBuildCost({ ...amounts, tempDir, lifecycle: referenceLifecycle, onProgress: print });
  print(describeBuildCost(buildCost));
  keep({ buildCost });
}

async function measureSeries({ rounds, sizeFactor, workers }: Selection, tempDir: string, keep: Keep): Promise<void> {
  const most = workers.at(-1) ?? 1;
  const measured: StoredPoint[] = [];
  await measureGrowth({ rounds, sizeFactor, workers: most, tempDir }, (point) => {
    measured.push(point);
    keep({ points: [point] });
    print(`${point.series} ${point.amount}: ${point.runs.map(({ wallMs }) => seconds(wallMs)).join(", ")} s`);
  });
  for (const series of measuredSeries(measured)) {
    console.log(`\n${series.name}: ${series.about}\n${table(GROWTH_HEADER, growthRows(series))}`);
    console.log(growthVerdict(series).text);
  }
}

async function measureWorkers({ rounds, sizeFactor }: Selection, tempDir: string, keep: Keep): Promise<void> {
  const cores = availableParallelism();
  const curve = await measureCurve({ rounds, sizeFactor, cores, tempDir, onProgress: print });
  console.log(`\n${describeCurve(curve).join("\n\n")}\n`);
  keep({ curve });
}

function keeper({ writeTo }: Selection): Keep {
  if (writeTo === undefined) return () => undefined;
  const nothing = { machine: machineFacts(), front: [], cells: [], points: [], creator: [] };
  return (measured) => {
    const results = mergeResults(readResults(writeTo), { ...nothing, ...measured });
    writeResults(writeTo, results);
    writeReport(writeTo, results);
  };
}

function rewriteReport(directory: string): void {
  const results = readResults(directory);
  if (results === undefined) throw new Error(`there are no results in ${join(directory, RESULTS)}`);
  writeReport(directory, results);
}

async function measureAll(selection: Selection, tempDir: string): Promise<void> {
  if (referenceExporter === undefined) console.log("- no reference: REFERENCE_EXPORTER is not set");
  const keep = keeper(selection);
  const part = ownPart(selection);
  await measureCells(part, tempDir, keep);
  if (part.curve) await measureWorkers(part, tempDir, keep);
  if (part.growth) await measureSeries(part, tempDir, keep);
  await measureCreators(part, tempDir, keep);
  if (part.buildCost) await measureCost(part, tempDir, keep);
}

async function main(args: readonly string[]): Promise<void> {
  const selection = parseSelection(args, ROOT);
  const { kind, writeTo, workers, against } = selection;
  if (kind === "report" && writeTo !== undefined) return rewriteReport(writeTo);
  await build();
  for (const fact of machineFacts()) console.log(`- ${fact}`);
  const tempDir = mkdtempSync(join(tmpdir(), "tandem-bench-"));
  // Buildpacks run as another user.
  chmodSync(tempDir, 0o755);
  try {
    if (kind === "compare") await compareWith(against, workers.at(-1) ?? 1, tempDir);
    else await measureAll(selection, tempDir);
  } finally {
    rmSync(tempDir, { recursive: true });
  }
}

await runScript(USAGE, main);
