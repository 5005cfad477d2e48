import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

/** When and for how long something that failed is tried again: a predicate times a back-off. All durations are in ms. */
export interface RetryPolicy {
  /** The wait before try number `next` (2 or more), already jittered. */
  readonly waitMs: (next: number) => number;
  /** Tries go on for so long after the first of failures in a row; with 0 there is one try. */
  readonly budgetMs: number;
  /** Less than `budgetMs` after an error that is unlikely to pass; undefined after any other. */
  readonly shortBudgetMs?: (error: unknown) => number | undefined;
  /** True for an error that may not happen again. */
  readonly isTemporary: (error: unknown) => boolean;
  /** How long the other side asked us to wait (its Retry-After), if it did. */
  readonly askedWaitMs: (error: unknown) => number | undefined;
  readonly clock?: Clock;
}

/** Failures in a row, up to now. */
export interface Failures {
  /** At least 1. */
  readonly count: number;
  /** ms since the first of them. */
  readonly sinceMs: number;
}

export interface RetryHooks {
  readonly signal?: AbortSignal | undefined;
  /** Called before each wait. */
  readonly onRetry?: (error: unknown, failures: Failures, waitMs: number) => void;
  /** Makes the error that is thrown of the last one, which was temporary but came too late, or asks for too long a wait. */
  readonly onGiveUp?: (error: unknown, failures: Failures) => unknown;
}

/** What a try may do: say that it got somewhere, so that the budget starts anew. */
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
      if (count === 1) firstFailureMs = nowMs;
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
