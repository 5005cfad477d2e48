export interface Clock {
  now(): number;
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface IntervalClock {
  readonly now: () => number;
  every(ms: number, task: () => void): () => void;
}

export const SYSTEM_CLOCK: Clock & IntervalClock = {
  now: () => performance.now(),
  wait: sleep,
  every: (ms, task) => {
    const timer = setInterval(task, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** Waits until `work` has settled, for at most `ms`. */
export async function settledWithin(ms: number, work: Promise<unknown>, clock: Clock = SYSTEM_CLOCK): Promise<void> {
  const settled = new AbortController();
  const timeout = clock.wait(ms, settled.signal);
  await Promise.allSettled([Promise.race([work, timeout])]);
  settled.abort();
  await timeout.catch(() => undefined);
}

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

/** ms from a start common to all threads of the process, unlike `performance.now()`. */
export function threadClock(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
