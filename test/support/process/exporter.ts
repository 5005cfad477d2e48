import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import type { Stream } from "node:stream";
import { text } from "node:stream/consumers";
import { ROOT } from "../../../scripts/script.ts";
import { type ExportEvent, exportEventSchema } from "../../../src/observe/events.ts";
import type { BuildOutput } from "../build/build-output.ts";
import type { CommandRun } from "./in-process.ts";

export interface ExporterRun extends CommandRun {
  /** As in a shell: 128 plus the number of a signal that ended the process. */
  readonly status: number;
  readonly wallMs: number;
}

export const EXPORTER = join(ROOT, "bin", "exporter");

/**
 * The default environment. Tests compare the whole log, and on a busy machine an export may take long enough to show
 * progress; the user's own credentials must not be used.
 */
export const DEFAULT_ENVIRONMENT = {
  CNB_PLATFORM_API: "0.13",
  CNB_EXPORT_PROGRESS: "none",
  HOME: "/nonexistent",
  TMPDIR: tmpdir(),
};

export interface RunningExporter {
  readonly process: ChildProcess;
  readonly ended: Promise<ExporterRun>;
}

const running = new Set<ChildProcess>();

/**
 * Ends the programs that a failed test left running. Signals them first as a platform does, so that a creator ends its
 * phases; the second signal ends it without waiting for them.
 */
export async function endPrograms(): Promise<void> {
  await Promise.all(
    [...running].map(async (child) => {
      const exited = once(child, "exit");
      const kill = setTimeout(() => child.kill("SIGKILL"), 5000);
      for (const signal of ["SIGTERM", "SIGINT"] as const) child.kill(signal);
      await exited;
      clearTimeout(kill);
    }),
  );
}

export function startExporter(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningExporter {
  return startProgram(EXPORTER, args, env);
}

/** Replaces the pipes that are read by default. */
export interface Streams {
  readonly stdout?: number | Stream;
  readonly stderr?: number | Stream;
  readonly third?: number | Stream;
}

interface StartOptions extends Streams {
  /**
   * In a session of its own, the program's nice values count among its own threads only, as in a container: Linux gives
   * each session its share of the CPU time (sched(7), autogroup).
   */
  readonly ownSession?: boolean;
}

export function startProgram(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  { stdout, stderr, third, ownSession = false }: StartOptions = {},
): RunningExporter {
  const started = performance.now();
  const stdio: StdioOptions = ["ignore", stdout ?? "pipe", stderr ?? "pipe", ...(third === undefined ? [] : [third])];
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH ?? "", ...DEFAULT_ENVIRONMENT, ...env },
    stdio,
    detached: ownSession,
  });
  if (child.pid !== undefined) running.add(child);
  child.once("exit", () => running.delete(child));
  const texts = [child.stdout, child.stderr].map((stream) => (stream === null ? "" : text(stream)));
  const end = async (): Promise<ExporterRun> => {
    await once(child, "close");
    const wallMs = performance.now() - started;
    const [out = "", err = ""] = await Promise.all(texts);
    const { exitCode, signalCode } = child;
    const status = exitCode ?? 128 + constants.signals[signalCode ?? "SIGKILL"];
    return { exitCode, status, stdout: out, stderr: err, wallMs };
  };
  return { process: child, ended: end() };
}

export function runExporter(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<ExporterRun> {
  return startExporter(args, env).ended;
}

/** Logged on machines that are not builder images. */
export const MISSING_SBOMS = /^Warning: Did not find SBOM .* in \/cnb\/lifecycle\n/gm;

/**
 * Points the exporter at a build's output. Avoids /cnb, because tests may run in a builder image, or beside the
 * conformance tests, which write there.
 */
export function flagsFor({ root, layersDir, appDir, launcher }: BuildOutput): string[] {
  const builder = ["-launcher-sbom", join(root, "sbom"), "-run", join(root, "run.toml")];
  const paths = ["-layers", layersDir, "-app", appDir, "-launcher", launcher, ...builder];
  const user = ["-uid", String(process.getuid?.() ?? 0), "-gid", String(process.getgid?.() ?? 0)];
  return [...paths, ...user, "-no-color"];
}

/**
 * Reads the events that a run wrote with `-events`. @throws ZodError for an event that violates docs/events.schema.json
 */
export function readEvents(path: string): ExportEvent[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => exportEventSchema.parse(JSON.parse(line)));
}
