import { isBackground, PriorityLimiter } from "../concurrency/limiter.ts";
import type { Rank } from "../plan/layers.ts";

/**
 * Each compressing thread builds one block and needs the next slot ready, and the digesters hold two. Blocks also wait
 * for a slower one before them, so fewer slots make exports slower: in simulations by 3% with one and a half per
 * thread. From eight threads on the hash of one layer is the bottleneck, and one extra slot per thread suffices.
 */
export function slotCount(threads: number): number {
  return Math.min(2 * threads + 2, threads + 10);
}

/**
 * Hashing threads, at most. Two hash one layer, its tar and its blob, as fast as SHA-256 allows; with many compressing
 * threads, several layers are hashed at a time.
 */
export function digesterCount(threads: number): number {
  return Math.max(2, Math.ceil(threads / 4));
}

export interface Slot {
  readonly number: number;
  release(): void;
}

/**
 * Lends the arena's slots. This is the engine's one queue: every slot leads to a thread, so priorities are decided
 * here, and the number of slots bounds the memory.
 */
export class SlotPool {
  readonly size: number;
  readonly #limiter: PriorityLimiter;
  readonly #free: number[];
  #background: PriorityLimiter;
  #reserved = 0;
  #isAppAhead = () => false;

  constructor(size: number) {
    this.size = size;
    this.#limiter = new PriorityLimiter(size);
    this.#background = new PriorityLimiter(size);
    this.#free = Array.from({ length: size }, (_, i) => size - 1 - i);
  }

  /**
   * Limits work below the highest priority, 0, to `background` of the slots, until {@link liftLimit} announces that no
   * more work of the highest priority is expected. While `isAppAhead`, the highest priority can wait, and background
   * work goes first. Slots that background work already holds do not count.
   */
  limitBackground(background: number, isAppAhead: () => boolean): void {
    this.#background = new PriorityLimiter(background);
    this.#reserved = this.size - background;
    this.#isAppAhead = isAppAhead;
  }

  get waiting(): number {
    return this.#limiter.waiting + this.#background.waiting;
  }

  async acquire(rank: Rank, signal?: AbortSignal): Promise<Slot> {
    const releasePlace = await this.#enter(rank, signal);
    const number = this.#free.pop() as number;
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      this.#free.push(number);
      releasePlace();
    };
    return { number, release };
  }

  liftLimit(): void {
    this.#background.widen(this.#reserved);
  }

  async #enter(rank: Rank, signal: AbortSignal | undefined): Promise<() => void> {
    if (!isBackground(rank)) {
      if (this.#isAppAhead()) this.#limiter.promote(1);
      return await this.#limiter.acquire(rank, signal);
    }
    const releaseBackground = await this.#background.acquire(rank, signal);
    try {
      const release = await this.#limiter.acquire(rank, signal);
      return () => {
        release();
        releaseBackground();
      };
    } catch (error) {
      releaseBackground();
      throw error;
    }
  }
}
