import { settledWithin } from "./clock.ts";

/** How long a failed scope waits for its aborted tasks, which may wait for a thread that hangs in a file system. */
const ABORT_TIMEOUT_MS = 5_000;

/** Suppresses unhandled rejections of a promise that is awaited later, or never if something else fails first. */
export function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

export class TaskScope {
  readonly signal: AbortSignal;
  readonly #failed = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #cleanups: (() => Promise<void>)[] = [];

  constructor(around: AbortSignal) {
    this.signal = AbortSignal.any([around, this.#failed.signal]);
  }

  fork<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const running = awaitedLater(task(this.signal));
    this.#running.add(running);
    const forget = () => this.#running.delete(running);
    running.then(forget, forget);
    return running;
  }

  guard(condition: Promise<unknown>): void {
    condition.catch((error: unknown) => this.fail(error));
  }

  defer(cleanup: () => Promise<void>): void {
    this.#cleanups.unshift(cleanup);
  }

  fail(reason: unknown): void {
    this.#failed.abort(reason);
  }

  async end(): Promise<void> {
    const ending = this.#settle();
    await (this.signal.aborted ? settledWithin(ABORT_TIMEOUT_MS, ending) : ending);
    for (const cleanup of this.#cleanups) await cleanup();
  }

  async #settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
}

/**
 * Runs a block of concurrent tasks. The first failure that the block meets, or that a guard reports, aborts all tasks
 * and is rethrown; either way the block ends after every task has settled, or {@link ABORT_TIMEOUT_MS} after a failure.
 * @throws the first failure; the signal's reason if that came first
 */
export async function withTasks<T>(signal: AbortSignal, block: (tasks: TaskScope) => Promise<T>): Promise<T> {
  const tasks = new TaskScope(signal);
  try {
    return await block(tasks);
  } catch (error) {
    tasks.fail(error);
    throw tasks.signal.reason;
  } finally {
    await tasks.end();
  }
}
