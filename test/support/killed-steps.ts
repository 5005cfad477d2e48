import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect } from "vitest";
import { tempTree } from "../unit/temp-tree.ts";

const SCRIPT = join(import.meta.dirname, "kill-at-step.ts");

/** Each step is a process of its own. */
export const STEPS_TIMEOUT_MS = 180_000;

/** What kill-at-step.ts can write. */
export type Store = "cache" | "launch-cache" | "layout" | "report";

/** @returns the steps that it took; undefined when it was killed before one */
function write(store: Store, path: string, contents: unknown, step: number): readonly string[] | undefined {
  const args = [SCRIPT, String(step), store, path, JSON.stringify(contents)];
  const { signal, status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (signal === "SIGKILL") return undefined;
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.trimEnd().split("\n");
}

/** The steps of a writer that is not killed: `sync <path>`, `rename <from> <to>` and the like. */
export function stepsOf(store: Store, path: string, contents: unknown): readonly string[] {
  return write(store, path, contents, 0) ?? [];
}

/**
 * Kills a writer before its first step, then another before its second, and so on; the last one is not killed.
 * @param prepare writes what is there before
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

/** The steps are counted at all, and one of them is the change from old to new. */
export function expectOneChange(found: readonly ("old" | "new")[]): void {
  expect(found.length).toBeGreaterThan(3);
  expect(found).toEqual(found.toSorted().reverse());
  expect(new Set(found)).toEqual(new Set(["old", "new"]));
}
