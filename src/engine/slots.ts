import { isBackground, PriorityLimiter } from "../concurrency/limiter.ts";
import type { Priority } from "../plan/layers.ts";

/**
 * Slots of so many compressing threads: each makes one block and finds the next, and two lie with the digesters. Blocks wait for one
 * before them that takes longer, so that fewer slots make exports slower: simulated, by 3 % with one and a half a thread. From eight
 * threads on the hash of one layer is the limit, and one more slot a thread is enough.
 */
export function slotCount(threads: number): number {
  return Math.min(2 * threads + 2, threads + 10);
}

export interface Slot {
  readonly number: number;
  release(): void;
}

/**
 * Lends the arena's slots. This is the engine's one queue: a slot is followed by a thread, so priorities are decided here,
 * and the number of slots bounds the memory.
 */
export class SlotPool {
  readonly #limiter: PriorityLimiter;
  /** Bounds the slots of background work until {@link liftLimit}. */
  readonly #background: PriorityLimiter;
  readonly #reserved: number;
  readonly #isAppAhead: () => boolean;
  readonly #free: number[];

  /**
   * @param slots in all
   * @param background slots for all that does not have the highest priority, 0
   * @param isAppAhead true while what has the highest priority need not be made faster: the others get their slots first
   */
  constructor(slots: number, background = slots, isAppAhead: () => boolean = () => false) {
    this.#limiter = new PriorityLimiter(slots);
    this.#background = new PriorityLimiter(background);
    this.#reserved = slots - background;
    this.#isAppAhead = isAppAhead;
    this.#free = Array.from({ length: slots }, (_, i) => slots - 1 - i);
  }

  get waiting(): number {
    return this.#limiter.waiting + this.#background.waiting;
  }

  /** Waits for a slot; among waiters the smaller priority, then the smaller order goes first. */
  async acquire(priority: Priority, order: number, signal?: AbortSignal): Promise<Slot> {
    const leave = await this.#enter(priority, order, signal);
    const number = this.#free.pop() as number;
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      this.#free.push(number);
      leave();
    };
    return { number, release };
  }

  /** Nothing of the highest priority will come any more: the rest may use all slots. */
  liftLimit(): void {
    this.#background.widen(this.#reserved);
  }

  async #enter(priority: Priority, order: number, signal: AbortSignal | undefined): Promise<() => void> {
    if (!isBackground({ priority })) {
      if (this.#isAppAhead()) this.#limiter.promote(1);
      return await this.#limiter.acquire(priority, order, signal);
    }
    const leaveBackground = await this.#background.acquire(priority, order, signal);
    try {
      const leave = await this.#limiter.acquire(priority, order, signal);
      return () => {
        leave();
        leaveBackground();
      };
    } catch (error) {
      leaveBackground();
      throw error;
    }
  }
}
