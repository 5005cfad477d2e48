import type { Clock, IntervalClock } from "../../src/concurrency/clock.ts";

interface Timer {
  readonly task: () => void;
  /** Set for repeated tasks. */
  readonly everyMs: number | undefined;
  at: number;
}

/** A clock that a test advances. Calls what is due in the order of its time. */
export class ManualClock implements Clock, IntervalClock {
  /** Every wait that was started, in ms. */
  readonly waits: number[] = [];
  readonly #timers = new Set<Timer>();
  #now = 0;

  readonly now = (): number => this.#now;

  /** ms left of the pending waits, in the order in which they started. */
  get pending(): number[] {
    return [...this.#timers].filter(({ everyMs }) => everyMs === undefined).map(({ at }) => at - this.#now);
  }

  get tasks(): number {
    return this.#timers.size - this.pending.length;
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (signal?.aborted) {
      reject(signal.reason);
      return promise;
    }
    this.waits.push(ms);
    const onAbort = () => {
      stop();
      reject(signal?.reason);
    };
    const stop = this.#add(ms, undefined, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise;
  }

  every(ms: number, task: () => void): () => void {
    return this.#add(ms, ms, task);
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    for (let due = this.#next(); due !== undefined && due.at <= end; due = this.#next()) {
      this.#now = Math.max(this.#now, due.at);
      if (due.everyMs === undefined) this.#timers.delete(due);
      else due.at += due.everyMs;
      due.task();
    }
    this.#now = end;
  }

  /** Also lets the code that waited run its next awaits. */
  async advance(ms: number): Promise<void> {
    this.pass(ms);
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }

  /** In ms; undefined if nothing is due. */
  protected get untilNext(): number | undefined {
    const next = this.#next();
    return next && Math.max(0, next.at - this.#now);
  }

  #next(): Timer | undefined {
    return [...this.#timers].toSorted((a, b) => a.at - b.at)[0];
  }

  #add(ms: number, everyMs: number | undefined, task: () => void): () => void {
    const timer = { task, everyMs, at: this.#now + ms };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
}

/** A clock that advances only when a wait starts, and then at once, one wait after the other. */
export class SkippingClock extends ManualClock {
  #isPassing = false;

  override wait(ms: number, signal?: AbortSignal): Promise<void> {
    const waiting = super.wait(ms, signal);
    this.#passSoon();
    return waiting;
  }

  #passSoon(): void {
    if (this.#isPassing || this.untilNext === undefined) return;
    this.#isPassing = true;
    setImmediate(() => {
      this.#isPassing = false;
      this.pass(this.untilNext ?? 0);
      this.#passSoon();
    });
  }
}
