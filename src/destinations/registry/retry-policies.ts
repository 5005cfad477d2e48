import { fullJitter, type RetryPolicy } from "../../flow/retry.ts";
import { askedWaitMs, isTemporary } from "../../transport/registry-fault.ts";

/**
 * For everything that a push or a clean-up asks: a registry that restarts or throttles may take a minute, and the layers
 * that were made for it cost more than the wait. Tries without progress wait about 23 s in all; Retry-After may stretch
 * that to the budget.
 */
export const PUSH_RETRY: RetryPolicy = {
  attempts: 8,
  waitMs: fullJitter(500, 15_000),
  budgetMs: 300_000,
  isTemporary,
  askedWaitMs,
};

/** The reference's waits when the image to build on cannot be opened (contract 9.6), in ms. */
const OPEN_WAITS_MS = [100, 200, 500, 1000, 2000];

/** For opening an image: the reference's six tries, but only for what may change between them (D11). */
export const OPEN_RETRY: RetryPolicy = {
  attempts: OPEN_WAITS_MS.length + 1,
  waitMs: (next) => OPEN_WAITS_MS[next - 2] ?? 0,
  budgetMs: 60_000,
  isTemporary,
  askedWaitMs,
};
