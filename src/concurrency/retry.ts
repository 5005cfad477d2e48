import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

/** When and for how long a failing task is retried. All durations are in ms. */
export interface RetryPolicy {
  /** The wait before try number `next` (2 or more), already jittered. */
  readonly waitMs: (next: number) => number;
  /** Tries go on for so long after the first of failures in a row, silence before it included; with 0 there is one try. */
  readonly budgetMs: number;
  /** Less than `budgetMs` after an error that is unlikely to pass; undefined after any other. */
  readonly shortBudgetMs?: (error: unknown) => number | undefined;
  readonly isTemporary: (error: unknown) => boolean;
  /** How long before an error the try had got no further; counts as a failing time. Default: 0. */
  readonly silentMs?: (error: unknown) => number;
  /** How long the other side asked us to wait (its Retry-After), if it did. */
  readonly askedWaitMs: (error: unknown) => number | undefined;
  readonly clock?: Clock;
}

export interface Failures {
  readonly count: number;
  readonly sinceMs: number;
}

export interface RetryHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onRetry?: (error: unknown, failures: Failures, waitMs: number) => void;
  /** Makes the final error from a temporary one that came too late, or that asks for too long a wait. */
  readonly onGiveUp?: (error: unknown, failures: Failures) => unknown;
}

/** Reports progress, which restarts the budget. */
export type Progressed = () => void;

/**
 * Exponential back-off with full jitter: try n waits a random time in [0, min(maxMs, baseMs * 2^(n-2))). It spreads the
 * clients of a registry that just came back best (AWS Architecture Blog, "Exponential Backoff And Jitter").
 */
export function fullJitter(baseMs: number, maxMs: number, random: () => number = Math.random): RetryPolicy["waitMs"] {
  return (next) => random() * Math.min(maxMs, baseMs * 2 ** (next - 2));
}

/**
 * Runs `task` until it succeeds, fails for good, or the budget is used up. The last try comes when the budget ends; there is
 * none where the other side asks to wait beyond that.
 */
export async function retrying<T>(
  policy: RetryPolicy,
  task: (progressed: Progressed) => Promise<T>,
  hooks: RetryHooks = {},
): Promise<T> {
  const { clock = SYSTEM_CLOCK } = policy;
  let count = 0;
  let firstFailureMs = 0;
  const progressed = () => {
    count = 0;
  };
  for (;;) {
    hooks.signal?.throwIfAborted();
    try {
      return await task(progressed);
    } catch (error) {
      hooks.signal?.throwIfAborted();
      if (!policy.isTemporary(error)) throw error;
      count += 1;
      const nowMs = clock.now();
      if (count === 1) firstFailureMs = nowMs - (policy.silentMs?.(error) ?? 0);
      const failures = { count, sinceMs: nowMs - firstFailureMs };
      const budgetMs = Math.min(policy.budgetMs, policy.shortBudgetMs?.(error) ?? policy.budgetMs);
      const leftMs = budgetMs - failures.sinceMs;
      const askedMs = policy.askedWaitMs(error) ?? 0;
      if (leftMs <= 0 || askedMs > leftMs) throw hooks.onGiveUp?.(error, failures) ?? error;
      // Whole ms: what is left of a budget may be less than a clock can tell.
      const waitMs = Math.ceil(Math.max(Math.min(policy.waitMs(count + 1), leftMs), askedMs));
      hooks.onRetry?.(error, failures, waitMs);
      await clock.wait(waitMs, hooks.signal);
    }
  }
}
