import { Fault } from "../../faults/fault.ts";
import type { Clock } from "../../flow/clock.ts";
import { fullJitter, type RetryPolicy } from "../../flow/retry.ts";
import type { Patience } from "../../transport/patience.ts";
import { askedWaitMs, isTemporary, UNREACHABLE } from "../../transport/registry-fault.ts";

/** For everything that a push or a clean-up asks. */
export function pushRetry({ firstWaitMs, longestWaitMs, budgetMs }: Patience, clock: Clock): RetryPolicy {
  return { waitMs: fullJitter(firstWaitMs, longestWaitMs), budgetMs, isTemporary, askedWaitMs, clock };
}

/** The reference's waits between attempts to open the run image (docs/compatibility.md#retries), in ms. */
const OPEN_WAITS_MS = [100, 200, 500, 1000, 2000];

/** Tries of the reference's, which counts them in its log. */
export const OPEN_TRIES = OPEN_WAITS_MS.length + 1;

/** No answer at the very beginning is more often a wrong name than a registry that will be back; ms. */
const NOBODY_THERE_MS = 10_000;

/**
 * For opening an image: the reference's attempts, then more within the budget, because the build to export cost more;
 * but only for errors that can be temporary (docs/compatibility.md#missing-run-image).
 */
export function openRetry(patience: Patience, clock: Clock): RetryPolicy {
  const policy = pushRetry(patience, clock);
  return {
    ...policy,
    waitMs: (next) => OPEN_WAITS_MS[next - 2] ?? policy.waitMs(next),
    shortBudgetMs: (error) => (isUnreachable(error) ? NOBODY_THERE_MS : undefined),
  };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof Fault && error.code === UNREACHABLE;
}
