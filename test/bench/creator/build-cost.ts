import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { ROOT } from "../../../scripts/script.ts";
import { parseLink } from "../network/links.ts";
import { type BuildCost, measuredNow } from "../results.ts";
import { makeSources } from "./buildpacks.ts";
import { creatorContenders, openRegistry, Platform } from "./creator.ts";

/*
 * How much longer does early export make a build that uses all cores? Whole builds vary too much to show some percent.
 * Here each build consists of many short runs of a compiler, one after the other on each core, and the creator is
 * stopped (SIGSTOP) and continued in turns every two seconds: steps of the same build, moments apart, with early export
 * and without. Two builds make a run, one of which begins with the creator stopped, because machines are faster at
 * first.
 *
 * This is an upper bound: the registry, which drops what it gets, works on the same cores, and early work that would
 * end before the build takes twice as long.
 */

const WINDOW_MS = 2000;

const COMPILE_S = 20;

/** Whether the creator runs in a window. */
const ORDER = [true, false, false, true] as const;

export interface Window {
  readonly isRunning: boolean;
  readonly startMs: number;
  readonly endMs: number;
}

export interface Step {
  readonly startMs: number;
  readonly endMs: number;
  readonly cpuMs: number;
}

export interface BuildCostOptions {
  readonly runs: number;
  readonly sizeFactor: number;
  readonly tempDir: string;
  readonly lifecycle: string;
  readonly onProgress: (text: string) => void;
}

export async function measureBuildCost(options: BuildCostOptions): Promise<BuildCost> {
  const { sizeFactor, tempDir, lifecycle, onProgress } = options;
  const root = join(tempDir, "creator");
  const made = await makeSources(join(tempDir, "creator-sources"), sizeFactor);
  const sources = { ...made, compile: stepsScript(join(root, "stamps")) };
  const contender = creatorContenders(lifecycle)[0];
  if (contender === undefined) throw new Error("there is no creator to measure");
  const runs: BuildCost["runs"] = [];
  for (let i = 0; i < options.runs; i++) {
    const [steps, windows, shares]: [Step[], Window[], number[]] = [[], [], []];
    for (const firstWindow of [0, 2]) {
      mkdirSync(root);
      try {
        await using registry = await openRegistry(parseLink("free"), "sink");
        const platform = new Platform(root, registry.runImage, sources, lifecycle);
        platform.reset("first");
        const over = new AbortController();
        const alternating = alternate(join(root, "stamps"), firstWindow, over.signal);
        const { takenShare = Number.NaN } = await platform.create(contender, registry).finally(() => over.abort());
        windows.push(...(await alternating));
        steps.push(...readSteps(join(root, "stamps")));
        shares.push(takenShare);
      } finally {
        rmSync(root, { recursive: true });
      }
    }
    const run = { ...compareSteps(steps, windows), takenShare: meanOf(shares) };
    runs.push(run);
    onProgress(
      `${percent(run.waiting)} waiting, ${percent(run.cpu)} more CPU time, creator ${percent(run.takenShare)}`,
    );
  }
  return { ...measuredNow(), sizeFactor, runs };
}

/** Compiles a file again and again on each core, and writes when each run ended, and its real, user and system time. */
function stepsScript(directory: string): string {
  const source = join(directory, "source.ts");
  const compiler = join(ROOT, `node_modules/@typescript/typescript-${process.platform}-${process.arch}/lib/tsc`);
  const loop = `TIMEFORMAT="%3R %3U %3S"
while [ "$(date +%s)" -lt "$1" ]; do
  times=$({ time GOMAXPROCS=1 "${compiler}" --noEmit --singleThreaded --ignoreConfig "${source}" >/dev/null; } 2>&1)
  echo "$(date +%s%3N) $times" >> "$2"
done`;
  const cores = Array.from({ length: availableParallelism() }, (_, core) => join(directory, `steps-${core}`));
  return `echo 'export const numbers = [1, 2, 3].map((number) => 2 * number);' > '${source}'
end=$(($(date +%s) + ${COMPILE_S}))
${cores.map((log) => `bash -c '${loop}' bash "$end" '${log}' &`).join("\n")}
wait`;
}

/** Stops and continues the creator in turns while the compiler runs. */
async function alternate(directory: string, firstWindow: number, over: AbortSignal): Promise<Window[]> {
  const windows: Window[] = [];
  while (!over.aborted && !existsSync(join(directory, "steps-0"))) await wait(20);
  if (over.aborted) return windows;
  const creator = Number.parseInt(readFileSync(join(directory, "start"), "utf8").split("\n")[1] ?? "", 10);
  const isOver = () => over.aborted || existsSync(join(directory, "end"));
  try {
    for (let window = firstWindow; !isOver(); window++) {
      const isRunning = ORDER[window % ORDER.length] === true;
      process.kill(creator, isRunning ? "SIGCONT" : "SIGSTOP");
      const startMs = Date.now();
      while (Date.now() < startMs + WINDOW_MS && !isOver()) await wait(20);
      windows.push({ isRunning, startMs, endMs: Date.now() });
    }
  } finally {
    if (!over.aborted) process.kill(creator, "SIGCONT");
  }
  return windows;
}

function readSteps(directory: string): Step[] {
  return Array.from({ length: availableParallelism() }, (_, core) => join(directory, `steps-${core}`)).flatMap((log) =>
    readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => {
        const [endMs = 0, realS = 0, userS = 0, systemS = 0] = line.split(" ").map(Number);
        return { startMs: endMs - 1000 * realS, endMs, cpuMs: 1000 * (userS + systemS) };
      }),
  );
}

/**
 * Compares steps that lie in one window: how much more they wait for a core while the creator runs, and how much more
 * CPU time they use, as shares of their length without it.
 */
export function compareSteps(steps: readonly Step[], windows: readonly Window[]): { waiting: number; cpu: number } {
  const mean = (isRunning: boolean, lengthOf: (step: Step) => number): number => {
    const inside = steps.filter((step) =>
      windows.some(
        (window) => window.isRunning === isRunning && window.startMs <= step.startMs && step.endMs <= window.endMs,
      ),
    );
    return meanOf(inside.map(lengthOf));
  };
  const wall = ({ startMs, endMs }: Step): number => endMs - startMs;
  const more = (lengthOf: (step: Step) => number): number =>
    (mean(true, lengthOf) - mean(false, lengthOf)) / mean(false, wall);
  return { waiting: more((step) => wall(step) - step.cpuMs), cpu: more(({ cpuMs }) => cpuMs) };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)}%`;
}
