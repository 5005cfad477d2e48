import type { Clock } from "../../src/flow/clock.ts";

/** Time that passes when the simulation says so. */
export class SimulatedClock implements Clock {
  #now = 0;
  #waiting: { readonly at: number; readonly resolve: () => void }[] = [];

  /** How long everybody waits who waits now, in the order of their coming. */
  get waits(): number[] {
    return this.#waiting.map(({ at }) => at - this.#now);
  }

  now(): number {
    return this.#now;
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ at: this.#now + ms, resolve });
    signal?.addEventListener("abort", () => reject(signal.reason));
    return promise;
  }

  async advance(ms: number): Promise<void> {
    this.#now += ms;
    const due = this.#waiting.filter(({ at }) => at <= this.#now);
    this.#waiting = this.#waiting.filter(({ at }) => at > this.#now);
    for (const { resolve } of due) resolve();
    // Lets those who waited go through their awaits.
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}
