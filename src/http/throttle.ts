import { type Clock, SYSTEM_CLOCK } from "../concurrency/clock.ts";

/**
 * A pause after a refusal without a duration doubles with each consecutive one. The gap between requests after a pause
 * doubles with each further pause and halves with each successful request.
 */
const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 30_000;
const FIRST_GAP_MS = 50;
const MAX_GAP_MS = 1600;
const NO_GAP_MS = 2;

const JITTER = 0.1;

/**
 * Throttles requests to one host. After a rate-limit response all requests pause for as long as the host asked and then
 * restart one by one, faster with each success: registries count the requests of all connections together (GHCR's
 * secondary rate limit), so pausing only the refused request does not help. A random addition to each pause spreads out
 * clients that were throttled together.
 */
export class HostThrottle {
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
   * Handles a rate-limit response.
   * @param startedMs what `admit` returned; requests from before the last pause are ignored
   * @param askedMs the pause that the host asked for; undefined if it gave none
   */
  refused(startedMs: number, askedMs: number | undefined): void {
    const nowMs = this.#clock.now();
    if (startedMs >= this.#pausedMs) {
      this.#pauses += 1;
      this.#pausedMs = nowMs;
      this.#gapMs = this.#gapMs === 0 ? FIRST_GAP_MS : Math.min(2 * this.#gapMs, MAX_GAP_MS);
    }
    const pauseMs = askedMs ?? Math.min(FIRST_PAUSE_MS * 2 ** (this.#pauses - 1), MAX_PAUSE_MS);
    this.#nextMs = Math.max(this.#nextMs, nowMs + pauseMs * (1 + JITTER * this.#random()));
  }

  served(startedMs: number): void {
    if (startedMs < this.#pausedMs) return;
    this.#pauses = 0;
    this.#gapMs = this.#gapMs / 2 < NO_GAP_MS ? 0 : this.#gapMs / 2;
  }
}
