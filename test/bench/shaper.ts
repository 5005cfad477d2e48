import { setTimeout as sleep } from "node:timers/promises";

/** Unused time that may be made up for, so that timers which fire late do not slow the link down. */
const BURST_MS = 4;

/** One direction of a link: lets bytes through at a rate, in the order in which they come (a token bucket). */
export class Shaper {
  bytes = 0;
  readonly #bytesPerMs: number;
  #freeAt = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** Resolves when the last of these bytes has left. */
  async pass(bytes: number): Promise<void> {
    this.bytes += bytes;
    this.#freeAt = Math.max(this.#freeAt, performance.now() - BURST_MS) + bytes / this.#bytesPerMs;
    await sleepUntil(this.#freeAt);
  }
}

/** @param time of performance.now() */
export async function sleepUntil(time: number): Promise<void> {
  const wait = time - performance.now();
  if (wait >= 1) await sleep(wait);
}
