import type { Clock } from "../../src/flow/clock.ts";

/** Time that passes only when somebody waits for it, and then at once: those who wait are woken in the order of their times. */
export class SkippingClock implements Clock {
  /** Every wait that was begun, in ms. */
  readonly waits: number[] = [];
  #now = 0;
  #sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  #isTicking = false;

  now(): number {
    return this.#now;
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (signal?.aborted) {
      reject(signal.reason);
      return promise;
    }
    this.waits.push(ms);
    const onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    const wake = () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    };
    this.#sleepers.push({ at: this.#now + ms, wake });
    this.#sleepers.sort((a, b) => a.at - b.at);
    this.#tick();
    return promise;
  }

  #tick(): void {
    if (this.#isTicking || this.#sleepers.length === 0) return;
    this.#isTicking = true;
    setImmediate(() => {
      this.#isTicking = false;
      const first = this.#sleepers.shift();
      this.#now = Math.max(this.#now, first?.at ?? 0);
      first?.wake();
      this.#tick();
    });
  }
}
