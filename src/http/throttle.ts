import { type Clock, SYSTEM_CLOCK } from "../concurrency/clock.ts";

/** The pause after a refusal that does not say how long; it doubles with each one in a row. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/** Distance of requests after a pause; it doubles with each further pause, and halves with each request that is served. */
const FIRST_GAP_MS = 50;
const WIDEST_GAP_MS = 1600;
const NO_GAP_MS = 2;

/** Fraction of a pause that is added at random; spreads out requests that were throttled together. */
const JITTER = 0.1;

/**
 * Throttles requests to one host. After a host has refused one for having too many, all requests pause for as long as it
 * asked, and then start one by one, closer together the more of them it serves: registries count the requests of all
 * connections together (GHCR's secondary rate limit), so it does not help when only the refused one waits.
 */
export class Pace {
  readonly #clock: Clock;
  readonly #random: () => number;
  #nextMs = Number.NEGATIVE_INFINITY;
  #pausedMs = Number.NEGATIVE_INFINITY;
  #pauses = 0;
  #gapMs = 0;

  constructor(clock: Clock = SYSTEM_CLOCK, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Waits until a request may start.
   * @returns when it did, for {@link refused}
   */
  async admit(signal?: AbortSignal): Promise<number> {
    for (;;) {
      signal?.throwIfAborted();
      const nowMs = this.#clock.now();
      if (nowMs >= this.#nextMs) {
        if (this.#gapMs > 0) this.#nextMs = nowMs + this.#gapMs;
        return nowMs;
      }
      await this.#clock.wait(this.#nextMs - nowMs, signal);
    }
  }

  /**
   * The host has no time for a request.
   * @param startedMs when that started; one from before the last pause is no news
   * @param askedMs how long the host wants to be left alone; undefined if it does not say
   */
  refused(startedMs: number, askedMs: number | undefined): void {
    const nowMs = this.#clock.now();
    if (startedMs >= this.#pausedMs) {
      this.#pauses += 1;
      this.#pausedMs = nowMs;
      this.#gapMs = this.#gapMs === 0 ? FIRST_GAP_MS : Math.min(2 * this.#gapMs, WIDEST_GAP_MS);
    }
    const pauseMs = askedMs ?? Math.min(FIRST_PAUSE_MS * 2 ** (this.#pauses - 1), LONGEST_PAUSE_MS);
    this.#nextMs = Math.max(this.#nextMs, nowMs + pauseMs * (1 + JITTER * this.#random()));
  }

  /** The host answered a request with something else; one from before the last pause is no news. */
  served(startedMs: number): void {
    if (startedMs < this.#pausedMs) return;
    this.#pauses = 0;
    this.#gapMs = this.#gapMs / 2 < NO_GAP_MS ? 0 : this.#gapMs / 2;
  }
}
