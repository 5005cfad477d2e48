import { PriorityLimiter } from "../flow/priority-limiter.ts";
import type { Priority } from "../plan/layer-plan.ts";

/** A slot of the arena, held until released. */
export interface Slot {
  readonly number: number;
  release(): void;
}

/**
 * Lends the arena's slots. This is the engine's one queue: whoever gets a slot gets a thread next, so priorities are
 * decided here, and the number of slots bounds the memory.
 */
export class SlotPool {
  readonly #limiter: PriorityLimiter;
  readonly #free: number[];

  constructor(slots: number) {
    this.#limiter = new PriorityLimiter(slots);
    this.#free = Array.from({ length: slots }, (_, i) => slots - 1 - i);
  }

  /** Waits for a slot; among waiters the smaller priority, then the smaller order goes first. */
  async acquire(priority: Priority, order: number, signal?: AbortSignal): Promise<Slot> {
    const leave = await this.#limiter.acquire(priority, order, signal);
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
}
