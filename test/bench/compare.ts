import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { runTool, spawnTool } from "../../scripts/run-tool.ts";
import { ROOT } from "../../scripts/script.ts";
import { table } from "../demo/table.ts";
import { parseLink } from "./network/links.ts";
import { type Contender, type Run, tandemAt } from "./run/contender.ts";
import { makeBuild } from "./run/make-build.ts";
import { type Cell, runOnce } from "./run/run-cell.ts";
import { findScenario } from "./scenarios.ts";
import { type Estimate, estimateMedian, LEAST_PAIRS, verdictOf } from "./statistics.ts";

/* `--quick`: is this tree faster or slower than another version? Pairs of runs in ABBA order, ratios with intervals. */

const SCENARIOS = [
  { name: "tiny", sizeFactor: 1 },
  { name: "java", sizeFactor: 0.1 },
  { name: "rebuild", sizeFactor: 0.1 },
];

/** Time for the measured runs of all scenarios. */
const BUDGET_MS = 105_000;

/** Builds of other commits, which are kept. */
const CACHE = join(tmpdir(), "tandem-bench-baselines");

/** The version to compare with. */
interface Baseline {
  readonly directory: string;
  readonly description: string;
}

/** One measured run of each version, one directly after the other. */
interface Pair {
  readonly old: Run;
  readonly new: Run;
}

interface ComparedCell {
  readonly label: string;
  readonly cell: Cell;
  readonly pairs: Pair[];
}

/**
 * Prints for each scenario the ratios of wall and CPU time, this tree to the other version.
 * @param against a commit or a directory; undefined: where this branch left origin/main (or main)
 */
export async function compareWith(against: string | undefined, workers: number, tempDir: string): Promise<void> {
  const baseline = findBaseline(against);
  console.log(`new: this tree, ${describeTree()}\nold: ${baseline.description}`);
  const contenders = { old: tandemAt(baseline.directory, workers), new: tandemAt(ROOT, workers) };
  const cells = SCENARIOS.map(({ name, sizeFactor }): ComparedCell => {
    const [scenario, link] = [findScenario(name), parseLink("free")];
    const build = makeBuild(mkdtempSync(join(tempDir, "build-")), scenario, sizeFactor);
    const label = sizeFactor === 1 ? name : `${name}, sizes × ${sizeFactor}`;
    return { label, cell: { scenario, link, build }, pairs: [] };
  });
  for (const { cell, label } of cells) await warmUp(cell, contenders, label, tempDir);
  const end = performance.now() + BUDGET_MS;
  for (let rounds = 0; performance.now() < end || rounds < LEAST_PAIRS / 2; rounds++) {
    for (const { cell, pairs } of cells) pairs.push(...(await runAbba(cell, contenders, tempDir)));
    process.stderr.write(".");
  }
  process.stderr.write("\n");
  const header = ["", "pairs", "old s", "new s", "wall, new / old", "", "CPU, new / old", ""];
  console.log(`\n${table(header, cells.map(describeCell))}\n`);
  console.log("Median ratios with 95% intervals; below 1 this tree is faster. One interval in 20 misses by chance.");
}

type Versions = Readonly<Record<"old" | "new", Contender>>;

/** Fills caches, and checks that both versions export the same layers. */
async function warmUp(cell: Cell, { old, new: own }: Versions, label: string, tempDir: string): Promise<void> {
  const [before, after] = [await runOnce(cell, old, tempDir), await runOnce(cell, own, tempDir)];
  if (`${before.diffIds}` !== `${after.diffIds}`) console.log(`${label}: the two versions export different layers`);
}

/** Old, new, new, old: a machine that slowly becomes faster or slower affects both alike. */
async function runAbba(cell: Cell, { old, new: own }: Versions, tempDir: string): Promise<Pair[]> {
  const run = async (contender: Contender): Promise<Run> => (await runOnce(cell, contender, tempDir)).run;
  const first = { old: await run(old), new: await run(own) };
  const second = { new: await run(own), old: await run(old) };
  return [first, second];
}

function describeCell({ label, pairs }: ComparedCell): string[] {
  const estimate = (figure: "wallMs" | "cpuMs"): Estimate =>
    estimateMedian(pairs.map((pair) => pair.new[figure] / pair.old[figure]));
  const wallSeconds = (version: "old" | "new"): string =>
    (estimateMedian(pairs.map((pair) => pair[version].wallMs)).median / 1000).toFixed(2);
  const [wall, cpu] = [estimate("wallMs"), estimate("cpuMs")];
  const interval = ({ median, low, high }: Estimate): string =>
    `${median.toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`;
  const times = [String(pairs.length), wallSeconds("old"), wallSeconds("new")];
  return [label, ...times, interval(wall), verdictOf(wall), interval(cpu), verdictOf(cpu)];
}

function findBaseline(against: string | undefined): Baseline {
  if (against !== undefined && existsSync(against)) {
    const directory = resolve(against);
    if (!existsSync(join(directory, "dist", "cli.cjs")))
      throw new Error(`${directory} has no build to compare with: run npm run build there`);
    return { directory, description: directory };
  }
  const commit = against === undefined ? mergeBase() : git("rev-parse", "--verify", `${against}^{commit}`);
  if (commit === undefined)
    throw new Error(`--against: ${against ?? "origin/main or main"} is neither a directory nor a commit`);
  const origin = against ?? "the last commit shared with main";
  const description = `${git("log", "-1", "--format=%h %s", commit)} (${origin})`;
  return { directory: buildCommit(commit), description };
}

function mergeBase(): string | undefined {
  return git("merge-base", "HEAD", "origin/main") ?? git("merge-base", "HEAD", "main");
}

/** @returns a directory with the built commit, which uses this tree's node_modules */
function buildCommit(commit: string): string {
  const target = join(CACHE, commit);
  if (!existsSync(target)) {
    mkdirSync(CACHE, { recursive: true });
    const partial = mkdtempSync(join(CACHE, "partial-"));
    try {
      runTool("sh", ["-c", 'git -C "$1" archive "$2" | tar -x -C "$3"', "sh", ROOT, commit, partial]);
      symlinkSync(join(ROOT, "node_modules"), join(partial, "node_modules"));
      runTool(process.execPath, [join(partial, "scripts", "build.ts")]);
      // Its compile cache is portable.
      renameSync(partial, target);
    } catch (error) {
      rmSync(partial, { recursive: true, force: true });
      throw error;
    }
  }
  const lock = (directory: string): string => readFileSync(join(directory, "package-lock.json"), "utf8");
  if (lock(target) !== lock(ROOT)) console.log("package-lock.json differs: both versions use this tree's node_modules");
  return target;
}

function describeTree(): string {
  const isChanged = git("status", "--porcelain") !== "";
  return `${git("log", "-1", "--format=%h %s")}${isChanged ? ", with uncommitted changes" : ""}`;
}

/** @returns undefined if the command fails. @throws Error if git is not installed */
function git(...args: readonly string[]): string | undefined {
  const { status, stdout } = spawnTool("git", ["-C", ROOT, ...args], { remedy: "Install git" });
  return status === 0 ? stdout.trim() : undefined;
}
