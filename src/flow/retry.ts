/** When and how often something that failed is tried again: a predicate times a back-off. All durations are in ms. */
export interface RetryPolicy {
  /** Tries in a row without progress, the first included; at least 1. */
  readonly attempts: number;
  /** The wait before try number `next` (2 or more), already jittered. */
  readonly waitMs: (next: number) => number;
  /** No further try starts when its wait would end later than this after the first failure in a row. */
  readonly budgetMs: number;
  /** True for an error that may not happen again. */
  readonly isTemporary: (error: unknown) => boolean;
  /** How long the other side asked us to wait (its Retry-After), if it did. */
  readonly askedWaitMs: (error: unknown) => number | undefined;
}

export interface RetryHooks {
  readonly signal?: AbortSignal | undefined;
  /** Called before each wait. `failed` counts from 1. */
  readonly onRetry?: (error: unknown, failed: number, waitMs: number) => void;
}

/** What a try may do: say that it got somewhere, so that the count of tries and the budget start anew. */
export type Progressed = () => void;

/**
 * Exponential back-off with full jitter: try n waits a random time in [0, min(maxMs, baseMs * 2^(n-2))). It spreads the
 * clients of a registry that just came back best (AWS Architecture Blog, "Exponential Backoff And Jitter").
 */
export function fullJitter(baseMs: number, maxMs: number, random: () => number = Math.random): RetryPolicy["waitMs"] {
  return (next) => random() * Math.min(maxMs, baseMs * 2 ** (next - 2));
}

/** Runs `task` until it succeeds, fails for good, or the policy is used up; then the last error is thrown unchanged. */
export async function retrying<T>(
  policy: RetryPolicy,
  task: (progressed: Progressed) => Promise<T>,
  hooks: RetryHooks = {},
): Promise<T> {
  let failed = 0;
  let firstFailureMs = 0;
  const progressed = () => {
    failed = 0;
  };
  for (;;) {
    hooks.signal?.throwIfAborted();
    try {
      return await task(progressed);
    } catch (error) {
      hooks.signal?.throwIfAborted();
      failed += 1;
      const nowMs = performance.now();
      if (failed === 1) firstFailureMs = nowMs;
      if (failed >= policy.attempts || !policy.isTemporary(error)) throw error;
      const waitMs = Math.max(policy.waitMs(failed + 1), policy.askedWaitMs(error) ?? 0);
      if (nowMs + waitMs - firstFailureMs > policy.budgetMs) throw error;
      hooks.onRetry?.(error, failed, waitMs);
      await sleep(waitMs, hooks.signal);
    }
  }
}

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
