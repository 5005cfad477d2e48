import { spawn } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { expect } from "vitest";
import { statFields } from "../process/process-state.ts";

/** Clock ticks per second, the unit of proc_pid_stat(5). */
const TICKS = 100;

/**
 * Measures CPU time instead of wall time, because a busy machine stretches the latter: starts a process that is always
 * ready to run, whose CPU time is the elapsed time. On an idle machine the two are equal.
 */
class ProcessorClock implements Disposable {
  readonly #busy = spawn("/bin/sh", ["-c", "while :; do :; done"], { stdio: "ignore" });

  elapsedMs(): number {
    // utime and stime, fields 14 and 15.
    const [user, system] = statFields(`/proc/${this.#busy.pid}`).slice(11, 13);
    return ((Number(user) + Number(system)) * 1000) / TICKS;
  }

  [Symbol.dispose](): void {
    this.#busy.kill("SIGKILL");
  }
}

/**
 * Expects that something that starts now, such as the end of a process after a signal, ends soon. Wall time is never
 * less than CPU time, so the clock, which takes a core, starts only if it has not ended in a quarter of the limit.
 * @param limitMs wall time for the first quarter, then CPU time
 * @returns what `action` resolves with
 */
export async function within<Value>(limitMs: number, action: () => Promise<Value>): Promise<Value> {
  const ended = action();
  const wallMs = limitMs / 4;
  const timer = new AbortController();
  const late = setTimeout(wallMs, false, { signal: timer.signal });
  const isEarly = await Promise.race([ended.then(() => true), late]).finally(() => timer.abort());
  if (isEarly) return await ended;
  using clock = new ProcessorClock();
  const value = await ended;
  expect(wallMs + clock.elapsedMs()).toBeLessThan(limitMs);
  return value;
}

/**
 * Time that an export has to clean up after a signal (src/process/signals.ts). What takes longer, as on a busy machine,
 * stays undone.
 */
export const GRACE_MS = 700;

/** For `vi.waitFor`, whose default of one second is too short on a busy machine. */
export const WAIT = { timeout: 30_000, interval: 20 };
