import type { Clock } from "../../flow/clock.ts";

/** Time between two warnings about a registry that keeps failing. */
const INTERVAL_MS = 10_000;

/**
 * Which failures of one registry's requests are worth a warning: the first of each, and of the others one now and then, because
 * all requests of an export fail many times together when a registry is down for minutes.
 */
export class RetryNotices {
  readonly #clock: Clock;
  #warnedMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param count failures in a row of the request, this one included */
  isDue(count: number): boolean {
    const nowMs = this.#clock.now();
    if (count > 1 && nowMs - this.#warnedMs < INTERVAL_MS) return false;
    this.#warnedMs = nowMs;
    return true;
  }
}
