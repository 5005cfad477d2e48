import type { Clock } from "./clock.ts";

/**
 * When and for how long a failing task is retried; durations are in ms. The budget runs from the first of consecutive
 * failures, including `silentMs`, the time since that try's last progress; 0 disables retries. `shortBudgetMs` is a
 * lower budget for errors that are unlikely to pass, and `askedWaitMs` the wait that a server requested (Retry-After).
 */
export interface RetryPolicy {
  readonly waitMs: (next: number) => number;
  readonly budgetMs: number;
  readonly shortBudgetMs?: (error: unknown) => number | undefined;
  readonly isTemporary: (error: unknown) => boolean;
  readonly silentMs?: (error: unknown) => number;
  readonly askedWaitMs: (error: unknown) => number | undefined;
  readonly clock: Clock;
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

/** A task calls it to start the retry budget anew. */
export type OnProgress = () => void;

/**
 * Exponential back-off with full jitter: try n waits a random time in [0, min(maxMs, baseMs * 2^(n-2))). It best
 * spreads out the clients of a registry that has just recovered (AWS Architecture Blog, "Exponential Backoff And
 * Jitter").
 */
export function fullJitter(baseMs: number, maxMs: number, random: () => number = Math.random): RetryPolicy["waitMs"] {
  return (next) => random() * Math.min(maxMs, baseMs * 2 ** (next - 2));
}

/**
 * Waits in ms between tries if the server asks for a longer wait than the whole budget: those of the reference, which
 * ignores Retry-After (docs/compatibility.md#retries).
 */
const HURRIED_WAITS_MS = [1000, 3000];

/**
 * Runs `task` until it succeeds, fails permanently, or the budget ends. The last try comes when the budget ends, unless
 * the server asks for a longer wait.
 */
export async function retrying<T>(
  policy: RetryPolicy,
  task: (onProgress: OnProgress) => Promise<T>,
  hooks: RetryHooks = {},
): Promise<T> {
  const { clock } = policy;
  let count = 0;
  let firstFailureMs = 0;
  const onProgress = () => {
    count = 0;
  };
  for (;;) {
    hooks.signal?.throwIfAborted();
    try {
      return await task(onProgress);
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
      const hurriedMs = askedMs > policy.budgetMs ? HURRIED_WAITS_MS[count - 1] : undefined;
      if (leftMs <= 0 || (askedMs > leftMs && hurriedMs === undefined))
        throw hooks.onGiveUp?.(error, failures) ?? error;
      const ownMs = Math.min(hurriedMs ?? policy.waitMs(count + 1), leftMs);
      // Whole ms: the rest of a budget may be below the clock's resolution.
      const waitMs = Math.ceil(hurriedMs === undefined ? Math.max(ownMs, askedMs) : ownMs);
      hooks.onRetry?.(error, failures, waitMs);
      await clock.wait(waitMs, hooks.signal);
    }
  }
}
