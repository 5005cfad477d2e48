import type { Clock } from "../../concurrency/clock.ts";
import type { Logger } from "../../logger.ts";

const INTERVAL_MS = 10_000;

/**
 * Throttles retry warnings, because all requests fail many times at once while a registry is down. The first failure of
 * each request is a warning; of the further failures, one every ten seconds is, and the others are debug messages.
 */
export class RetryNotices {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #warnedMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** @param count of the request's failures, this one included */
  log(message: string, count: number): void {
    const nowMs = this.#clock.now();
    const isDue = count === 1 || nowMs - this.#warnedMs >= INTERVAL_MS;
    if (isDue) this.#warnedMs = nowMs;
    this.#logger[isDue ? "warn" : "debug"](message);
  }
}
