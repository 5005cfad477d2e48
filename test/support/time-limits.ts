import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect } from "vitest";

/** Clock ticks a second, in which proc_pid_stat(5) counts. */
const TICKS = 100;

/**
 * A second of a processor, whose length a busy machine stretches: a process that is always ready to run starts now, and the time
 * that it got until it is read is the time that passed. On an idle machine this is the wall clock's.
 */
class ProcessorClock implements Disposable {
  readonly #busy = spawn("/bin/sh", ["-c", "while :; do :; done"], { stdio: "ignore" });

  /** Since the start. */
  elapsedMs(): number {
    // The fields after the name, which is in parentheses: utime and stime are the 14th and the 15th of all.
    const fields = readFileSync(`/proc/${this.#busy.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
  }

  [Symbol.dispose](): void {
    this.#busy.kill("SIGKILL");
  }
}

/**
 * Expects that what is started now, such as the end of a process after a signal, is over soon.
 * @param limitMs of a processor
 * @returns what `action` resolves with
 */
export async function within<Value>(limitMs: number, action: () => Promise<Value>): Promise<Value> {
  using clock = new ProcessorClock();
  const value = await action();
  expect(clock.elapsedMs()).toBeLessThan(limitMs);
  return value;
}

/** For `vi.waitFor` and its like: what surely comes, on a busy machine late. Their own limit is a second. */
export const WAIT = { timeout: 30_000, interval: 20 };
