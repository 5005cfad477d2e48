import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { tempTree } from "../files/temp-tree.ts";
import type { Store, WriteAnswer, WriteRequest } from "./kill-at-step.ts";

const SCRIPT = join(import.meta.dirname, "kill-at-step.ts");

/** Runs kill-at-step.ts. */
class Writer {
  readonly process: ChildProcess;

  constructor() {
    this.process = spawn(process.execPath, [SCRIPT], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    onTestFinished(() => void this.process.kill("SIGKILL"));
  }

  /** @returns undefined if the process ended first */
  async write(request: WriteRequest): Promise<WriteAnswer | undefined> {
    const over = new AbortController();
    const { signal } = over;
    const answered = once(this.process, "message", { signal }).then(([answer]): WriteAnswer => answer);
    const gone = once(this.process, "exit", { signal }).then(() => undefined);
    this.process.send(request);
    try {
      return await Promise.race([answered, gone]);
    } finally {
      over.abort();
      await Promise.allSettled([answered, gone]);
    }
  }
}

/** The steps of a writer that is not killed: `sync <path>`, `rename <from> <to>` and so on. */
export async function stepsOf(store: Store, path: string, contents: unknown): Promise<readonly string[]> {
  return traceOf(await new Writer().write({ store, path, contents }));
}

function traceOf(answer: WriteAnswer | undefined): readonly string[] {
  if (answer === undefined || "error" in answer) throw new Error(answer?.error ?? "the writer has ended");
  return answer.trace;
}

/**
 * Yields the state that a kill before each step leaves behind, then the state at the end. One writer completes and
 * copies its directory before each step; a second writer is killed in the middle.
 * @param prepare writes the initial state
 * @param name of the store in the directory
 */
export async function* killedSteps(
  store: Store,
  contents: unknown,
  prepare: (path: string) => Promise<void>,
  name = "",
): AsyncGenerator<{ readonly path: string }> {
  const prepared = async () => {
    const directory = tempTree();
    await prepare(join(directory, name));
    return directory;
  };
  const [from, to] = [await prepared(), tempTree()];
  traceOf(await new Writer().write({ store, path: join(from, name), contents, copies: { from, to } }));
  const steps = readdirSync(to).length;
  const middle = Math.ceil(steps / 2);
  for (let step = 1; step <= steps; step++) {
    const directory = step === middle ? await prepared() : join(to, String(step));
    const path = join(directory, name);
    if (step === middle)
      expect(await new Writer().write({ store, path, contents, stop: { step, signal: "SIGKILL" } })).toBeUndefined();
    yield { path };
  }
  yield { path: join(from, name) };
}

export interface PausedWriter {
  readonly path: string;
  /** Continues the writer to its end. @returns its error, if it failed */
  resume(): Promise<string | undefined>;
}

/**
 * Pauses a writer before the first step of a store, then before the second step of the next store, and so on. The last
 * store is written without a pause.
 * @param prepare writes the initial state
 * @param stride steps between two pauses
 */
export async function* pausedSteps(
  store: Store,
  contents: unknown,
  prepare: (path: string) => Promise<void>,
  stride = 1,
): AsyncGenerator<PausedWriter> {
  const writer = new Writer();
  for (let step = 1, isPaused = true; isPaused; step += stride) {
    const path = tempTree();
    await prepare(path);
    const over = { isSo: false };
    const answer = writer.write({ store, path, contents, stop: { step, signal: "SIGSTOP" } }).finally(() => {
      over.isSo = true;
    });
    isPaused = await hasPaused(writer.process, over);
    const resume = async () => {
      writer.process.kill("SIGCONT");
      const result = await answer;
      return result === undefined || "error" in result ? (result?.error ?? "the writer has ended") : undefined;
    };
    yield { path, resume };
  }
}

/** Also resolves if the write has ended. */
async function hasPaused(child: ChildProcess, over: { readonly isSo: boolean }): Promise<boolean> {
  while (!over.isSo) {
    // proc(5): the state comes after the name in parentheses.
    if (/^.*\) T /s.test(readFileSync(`/proc/${child.pid}/stat`, "utf8"))) return true;
    await setTimeout(5);
  }
  return false;
}

/** Checks that there are enough steps, and that one of them is the change from old to new. */
export function expectOneChange(found: readonly ("old" | "new")[]): void {
  expect(found.length).toBeGreaterThan(3);
  expect(found).toEqual(found.toSorted().reverse());
  expect(new Set(found)).toEqual(new Set(["old", "new"]));
}
