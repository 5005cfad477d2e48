/** A clock and its timer, so that tests need not wait. */
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
