import { type SeededRandom, seededRandom } from "../../support/random.ts";

/** Decisions that a seed repeats. */
export class Draw {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    // Neighboring seeds begin alike.
    this.#random.next();
  }

  /** True that often, of 1. */
  chance(share: number): boolean {
    return this.#random.next() < share * 2 ** 32;
  }

  /** An integer from `first` to `last`, both included. */
  between(first: number, last: number): number {
    return first + this.#random.below(last - first + 1);
  }

  /** A size: small often, large seldom, below `2 ** bits`. */
  size(bits: number): number {
    return this.#random.skewed(bits);
  }

  bytes(length: number): Buffer {
    return Buffer.from(this.#random.bytes(length));
  }

  pick<Item>(items: readonly Item[]): Item {
    return this.#random.pick(items);
  }

  /** Each of the items that often, in their order. */
  some<Item>(items: readonly Item[], share: number): Item[] {
    return items.filter(() => this.chance(share));
  }

  /** As many as `count` says, made one after the other. */
  times<Item>(count: number, make: (index: number) => Item): Item[] {
    return Array.from({ length: count }, (_, i) => make(i));
  }

  /** One item from `make`, with the given probability; else none. */
  maybe<Item>(share: number, make: () => Item): Item[] {
    return this.chance(share) ? [make()] : [];
  }

  /** One of the alternatives, each as often as its weight says. */
  weighted<Item>(alternatives: readonly (readonly [weight: number, item: Item])[]): Item {
    let left = this.#random.below(alternatives.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, item] of alternatives) {
      if (left < weight) return item;
      left -= weight;
    }
    throw new Error("nothing to pick from");
  }
}
