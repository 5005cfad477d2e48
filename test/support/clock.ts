import type { Clock, Ticker } from "../../src/concurrency/clock.ts";

interface Timer {
  readonly task: () => void;
  /** Of a task that is called again and again. */
  readonly everyMs: number | undefined;
  at: number;
}

/** Time that passes when a test says so; what is due is called in the order of its time. */
export class ManualClock implements Clock, Ticker {
  /** Every wait that was begun, in ms. */
  readonly waits: number[] = [];
  readonly #timers = new Set<Timer>();
  #now = 0;

  readonly now = (): number => this.#now;

  /** What is left of the waits under way, in the order of their beginning. */
  get pending(): number[] {
    return [...this.#timers].filter(({ everyMs }) => everyMs === undefined).map(({ at }) => at - this.#now);
  }

  /** How many tasks are called again and again. */
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

  /** Passes time, and lets whoever waited go through its awaits. */
  async advance(ms: number): Promise<void> {
    this.pass(ms);
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }

  /** ms until something is due; undefined when nothing is. */
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

/** Time that passes only when somebody waits for it, and then at once, one wait after the other. */
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
