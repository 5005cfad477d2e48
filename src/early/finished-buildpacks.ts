import { readdirSync } from "node:fs";
import { buildpackDirectory, escapedId } from "../build-output/buildpack-layers.ts";
import type { GroupElement } from "../cnb/build-metadata.ts";
import { readKernelFile } from "../process/machine.ts";

/** What /proc shows of processes; empty for one that has ended or may not be read. */
export interface ProcessTable {
  readonly children: (pid: number) => readonly number[];
  readonly commandLine: (pid: number) => readonly string[];
  readonly environment: (pid: number) => readonly string[];
}

/**
 * Finds the buildpacks of a group that have finished while a builder runs; `next` returns each once, in the group's
 * order. The builder runs `bin/build` of one buildpack after the other as its child, with the buildpack's layers
 * directory as an argument and its own directory in a variable (lifecycle buildpack/build.go): all buildpacks before
 * the running one have finished. Between two, and if /proc cannot be read, nothing is known.
 *
 * This only decides when work pays. A layer's stamp decides whether it is still valid.
 */
export class FinishedBuildpacks {
  readonly #group: readonly GroupElement[];
  readonly #directories: readonly string[];
  readonly #processes: ProcessTable;
  #finished = 0;

  constructor(group: readonly GroupElement[], layersDir: string, processes: ProcessTable = KERNEL) {
    this.#group = group;
    this.#directories = group.map(({ id }) => buildpackDirectory(layersDir, id));
    this.#processes = processes;
  }

  next(builder: number): GroupElement[] {
    const running = Math.max(-1, ...this.#processes.children(builder).map((child) => this.#positionOf(child)));
    if (running <= this.#finished) return [];
    const first = this.#finished;
    this.#finished = running;
    // The group may contain a buildpack again, with the same directory.
    const runsAgain = (at: number) => this.#directories.includes(this.#directories[at] ?? "", running);
    return this.#group.slice(first, running).filter((_, i) => !runsAgain(first + i));
  }

  #positionOf(pid: number): number {
    const args = this.#processes.commandLine(pid);
    const named = this.#directories.findLastIndex((directory) => args.includes(directory));
    if (named >= 0) return named;
    // Scripts may replace themselves by another program (exec).
    const isRoot = (variable: string) => variable.startsWith("CNB_BUILDPACK_DIR=");
    const root = this.#processes.environment(pid).find(isRoot) ?? "";
    return this.#group.findLastIndex(({ id, version }) => root.endsWith(`/${escapedId(id)}/${version}`));
  }
}

const KERNEL: ProcessTable = {
  children: (pid) => {
    const tasks = list(`/proc/${pid}/task`);
    // The file needs a kernel with CONFIG_PROC_CHILDREN, as distributions build it (proc(5)).
    return tasks.flatMap((task) => read(`/proc/${pid}/task/${task}/children`).split(" ").filter(Boolean).map(Number));
  },
  commandLine: (pid) => read(`/proc/${pid}/cmdline`).split("\0"),
  environment: (pid) => read(`/proc/${pid}/environ`).split("\0"),
};

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function read(path: string): string {
  return readKernelFile(path) ?? "";
}
