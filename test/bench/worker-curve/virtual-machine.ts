interface Work {
  left: number;
  readonly done: () => void;
}

interface Timer {
  readonly at: number;
  readonly done: () => void;
}

/**
 * A machine with a simulated clock, which advances only when no callback is left to run. Running threads share the
 * cores evenly; with no more threads than cores, each has one to itself. Times in ms.
 */
export class VirtualMachine {
  now = 0;
  readonly #cores: number;
  readonly #running = new Set<Work>();
  readonly #timers = new Set<Timer>();

  constructor(cores: number) {
    this.#cores = cores;
  }

  /** Resolves after this much CPU time. */
  compute(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const work = { left: ms, done: resolve };
    this.#running.add(work);
    return promise;
  }

  /** Resolves after this much time, without using a core. Rejects with the signal's reason. */
  wait(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = { at: this.now + ms, done: resolve };
    this.#timers.add(timer);
    signal?.addEventListener("abort", () => {
      this.#timers.delete(timer);
      reject(signal.reason);
    });
    return promise;
  }

  /** Advances the clock until a promise settles. @throws Error if nothing can settle it */
  async runUntil<T>(story: Promise<T>): Promise<T> {
    let isOver = false;
    const end = (): void => {
      isOver = true;
    };
    story.then(end, end);
    for (;;) {
      // Promises that can settle without advancing the clock do so before the next turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      if (isOver) return await story;
      this.#advance();
    }
  }

  #advance(): void {
    const speed = Math.min(1, this.#cores / this.#running.size);
    let step = Number.POSITIVE_INFINITY;
    for (const { left } of this.#running) step = Math.min(step, left / speed);
    for (const { at } of this.#timers) step = Math.min(step, at - this.now);
    if (step === Number.POSITIVE_INFINITY) throw new Error("the simulation stands still");
    this.now += step;
    for (const work of this.#running) {
      work.left -= step * speed;
      // Rounding error, not work.
      if (work.left > 1e-9) continue;
      this.#running.delete(work);
      work.done();
    }
    for (const timer of this.#timers) {
      if (timer.at > this.now + 1e-9) continue;
      this.#timers.delete(timer);
      timer.done();
    }
  }
}

/** Runs work in the order of its requests. */
export class VirtualThread {
  /** Requested CPU time, in ms. */
  busyMs = 0;
  readonly #machine: VirtualMachine;
  #last = Promise.resolve();

  constructor(machine: VirtualMachine) {
    this.#machine = machine;
  }

  do(ms: number): Promise<void> {
    this.busyMs += ms;
    this.#last = this.#last.then(() => this.#machine.compute(ms));
    return this.#last;
  }
}
