export interface Clock {
  /** ms from any start. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as that fires. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Real time, which no change of the date disturbs. */
export const SYSTEM_CLOCK: Clock = { now: () => performance.now(), wait: sleep };

/** Resolves after `ms`; rejects with the signal's reason as soon as that fires. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal?.aborted) {
    reject(signal.reason);
    return promise;
  }
  const onAbort = () => {
    clearTimeout(timer);
    reject(signal?.reason);
  };
  const timer = setTimeout(() => {
    signal?.removeEventListener("abort", onAbort);
    resolve();
  }, ms);
  signal?.addEventListener("abort", onAbort, { once: true });
  return promise;
}

export interface Ticker {
  /** ms from any start. */
  readonly now: () => number;
  /** Calls `task` every so many ms. @returns ends it */
  every(ms: number, task: () => void): () => void;
}

/** Real time; nothing of it keeps the process alive. */
export const SYSTEM_TICKER: Ticker = {
  now: () => performance.now(),
  every: (ms, task) => {
    const timer = setInterval(task, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** ms from a start that all threads of the process share; `performance.now()` has one of its own in each. */
export function threadClock(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
