interface QueueRank {
  readonly priority: number;
  readonly order?: number | undefined;
}

/** For a queue without priorities. */
export const FIRST_COME: QueueRank = { priority: 0 };

interface Waiter extends QueueRank {
  readonly order: number;
  readonly resolve: (release: () => void) => void;
  readonly reject: (reason: unknown) => void;
  readonly sequence: number;
}

function before(a: Waiter, b: Waiter): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority;
  if (a.order !== b.order) return a.order < b.order;
  return a.sequence < b.sequence;
}

export function isBackground({ priority }: QueueRank): boolean {
  return priority > 0;
}

/**
 * At most `capacity` holders at a time. On release, which may be called twice, the waiter with the smallest priority
 * goes next, then the one with the smallest order, then the earliest.
 */
export class PriorityLimiter {
  #free: number;
  #sequence = 0;
  readonly #waiting: Waiter[] = [];

  constructor(capacity: number) {
    this.#free = capacity;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  acquire({ priority, order = 0 }: QueueRank, signal?: AbortSignal): Promise<() => void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve(this.#releaser());
    }
    const { promise, resolve, reject } = Promise.withResolvers<() => void>();
    const waiter: Waiter = { priority, order, resolve, reject, sequence: this.#sequence++ };
    this.#insert(waiter);
    if (signal === undefined) return promise;
    const onAbort = () => {
      const at = this.#waiting.indexOf(waiter);
      if (at >= 0) this.#waiting.splice(at, 1);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  async run<T>(rank: QueueRank, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(rank, signal);
    try {
      return await task();
    } finally {
      release();
    }
  }

  /** Moves the first waiter of this or a lower urgency to the head of the queue. */
  promote(priority: number): void {
    const at = this.#waiting.findIndex((waiter) => waiter.priority >= priority);
    if (at > 0) this.#waiting.unshift(...this.#waiting.splice(at, 1));
  }

  /** Raises the capacity. */
  widen(places: number): void {
    for (let i = 0; i < places; i++) this.#release();
  }

  #insert(waiter: Waiter): void {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (before(waiter, this.#waiting[middle] as Waiter)) high = middle;
      else low = middle + 1;
    }
    this.#waiting.splice(low, 0, waiter);
  }

  #releaser(): () => void {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#release();
    };
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next.resolve(this.#releaser());
  }
}
