import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { tempTree } from "./temp-tree.ts";

const SCRIPT = join(import.meta.dirname, "kill-at-step.ts");

/** Each step starts a process. */
export const STEPS_TIMEOUT_MS = 180_000;

export type Store = "cache" | "launch-cache" | "layout" | "report";

/** @returns the steps that it took; undefined if it was killed */
function write(store: Store, path: string, contents: unknown, step: number): readonly string[] | undefined {
  const args = [SCRIPT, String(step), "SIGKILL", store, path, JSON.stringify(contents)];
  const { signal, status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (signal === "SIGKILL") return undefined;
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.trimEnd().split("\n");
}

/** The steps of a writer that is not killed: `sync <path>`, `rename <from> <to>` and so on. */
export function stepsOf(store: Store, path: string, contents: unknown): readonly string[] {
  return write(store, path, contents, 0) ?? [];
}

/**
 * Kills a writer before its first step, then another before its second, and so on; the last one is not killed.
 * @param prepare writes the initial state
 * @yields what each left behind
 */
export async function* killedSteps(
  store: Store,
  contents: unknown,
  prepare: (path: string) => Promise<void>,
  name = "",
): AsyncGenerator<{ readonly path: string; readonly isKilled: boolean }> {
  for (let step = 1, isKilled = true; isKilled; step++) {
    const path = join(tempTree(), name);
    await prepare(path);
    isKilled = write(store, path, contents, step) === undefined;
    yield { path, isKilled };
  }
}

export interface PausedWriter {
  readonly path: string;
  readonly isPaused: boolean;
  /** Continues the writer to its end. @returns its stderr, if it failed */
  resume(): Promise<string | undefined>;
}

/**
 * Pauses a writer before its first step, then another before its second, and so on; the last one is not paused.
 * @param prepare writes the initial state
 * @param stride steps between two pauses
 */
export async function* pausedSteps(
  store: Store,
  contents: unknown,
  prepare: (path: string) => Promise<void>,
  stride = 1,
): AsyncGenerator<PausedWriter> {
  for (let step = 1, isPaused = true; isPaused; step += stride) {
    const path = tempTree();
    await prepare(path);
    const args = [SCRIPT, String(step), "SIGSTOP", store, path, JSON.stringify(contents)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    const closed = once(child, "close");
    const stderr = text(child.stderr);
    onTestFinished(() => void child.kill("SIGKILL"));
    isPaused = await hasPaused(child);
    const resume = async () => {
      child.kill("SIGCONT");
      await closed;
      return child.exitCode === 0 ? undefined : await stderr;
    };
    yield { path, isPaused, resume };
  }
}

/** Also resolves if the process has ended. */
async function hasPaused(child: ChildProcess): Promise<boolean> {
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) return false;
    // proc(5): the state comes after the name in parentheses.
    if (/^.*\) T /s.test(readFileSync(`/proc/${child.pid}/stat`, "utf8"))) return true;
    await setTimeout(5);
  }
}

/** Checks that there are enough steps, and that one of them is the change from old to new. */
export function expectOneChange(found: readonly ("old" | "new")[]): void {
  expect(found.length).toBeGreaterThan(3);
  expect(found).toEqual(found.toSorted().reverse());
  expect(new Set(found)).toEqual(new Set(["old", "new"]));
}
