interface Work {
  left: number;
  readonly done: () => void;
}

interface Timer {
  readonly at: number;
  readonly done: () => void;
}

/**
 * A machine with a number of cores on which time passes only when all that can happen at a moment has happened. What runs
 * shares the cores evenly: with as many threads as cores or fewer each has one to itself. Times in ms.
 */
export class VirtualMachine {
  now = 0;
  readonly #cores: number;
  readonly #running = new Set<Work>();
  readonly #timers = new Set<Timer>();

  constructor(cores: number) {
    this.#cores = cores;
  }

  /** Resolves when so much time of a core was spent. */
  compute(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const work = { left: ms, done: resolve };
    this.#running.add(work);
    return promise;
  }

  /** Resolves later, without work. Rejects with the signal's reason. */
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

  /** Lets time pass until a promise settles. @throws Error when nothing is left that could settle it */
  async runUntil<T>(story: Promise<T>): Promise<T> {
    let isOver = false;
    const end = (): void => {
      isOver = true;
    };
    story.then(end, end);
    for (;;) {
      // All promises that can settle without time passing do so before the next turn of the event loop.
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
      // What is left by rounding is no work.
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

/** Does one thing after the other, in the order in which it is asked. */
export class VirtualThread {
  /** Time of a core that was asked for, in ms. */
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
