import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build } from "../../scripts/build.ts";
import { table } from "../demo/table.ts";
import { parseSelection, type Selection, USAGE } from "./arguments.ts";
import { contendersOf } from "./contenders-of.ts";
import { describeLink } from "./link-speed.ts";
import { machineFacts } from "./machine.ts";
import { type BenchBuild, makeBuild } from "./make-build.ts";
import { writeReport } from "./report.ts";
import { floorSentences, HEADER, resultRows } from "./result-table.ts";
import { type Cell, runCell } from "./run-cell.ts";
import type { MeasuredCell } from "./scenario-chart.ts";

/* Measures exports of large builds, by turns with the reference exporter and with floors. `--help` says what to choose. */

const root = dirname(dirname(import.meta.dirname));
const program = process.env.REFERENCE_EXPORTER || undefined;
const seconds = (ms: number): string => (ms / 1000).toFixed(2);

async function measureCell(cell: Cell, { workers, rounds }: Selection, tempDir: string): Promise<MeasuredCell> {
  const { scenario, link } = cell;
  console.log(`\n${scenario.name}: ${scenario.about}\n${describeLink(link)}`);
  const results = await runCell(cell, contendersOf(scenario, link, workers, program), {
    rounds,
    tempDir,
    onRun: (name, run) => console.log(`  ${name.padEnd(40)} ${seconds(run.wallMs)} s`),
  });
  console.log(`\n${table(HEADER, resultRows(results))}\n`);
  for (const sentence of floorSentences(results)) console.log(`  ${sentence}`);
  return { ...cell, results };
}

async function measureAll(selection: Selection, tempDir: string): Promise<MeasuredCell[]> {
  const measured: MeasuredCell[] = [];
  let current: { readonly name: string; readonly directory: string; readonly build: BenchBuild } | undefined;
  for (const { scenario, link } of selection.cells) {
    const { name } = scenario;
    if (current?.name !== name) {
      if (current !== undefined) rmSync(current.directory, { recursive: true });
      const directory = mkdtempSync(join(tempDir, "build-"));
      current = { name, directory, build: makeBuild(directory, scenario, selection.scale) };
    }
    measured.push(await measureCell({ scenario, link, build: current.build }, selection, tempDir));
  }
  return measured;
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const selection = parseSelection(args, root);
  if (selection === undefined) return console.log(USAGE);
  await build();
  for (const fact of machineFacts()) console.log(`- ${fact}`);
  if (program === undefined) console.log("- no reference: REFERENCE_EXPORTER is not set");
  const tempDir = mkdtempSync(join(tmpdir(), "tandem-bench-"));
  try {
    const cells = await measureAll(selection, tempDir);
    if (selection.writeTo === undefined) return;
    const shown = args.filter((arg, i) => !arg.startsWith("--out") && args[i - 1] !== "--out");
    const command =
      `${program === undefined ? "" : "REFERENCE_EXPORTER=… "}npm run bench -- ${shown.join(" ")}`.trimEnd();
    const { rounds, isQuick } = selection;
    writeReport(selection.writeTo, cells, { command, rounds, isQuick, hasReference: program !== undefined });
    console.log(`\nWritten: BENCHMARKS.md and docs/benchmarks/*.svg`);
  } finally {
    rmSync(tempDir, { recursive: true });
  }
}

await main();
