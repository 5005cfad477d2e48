/** Samples kept of each number; with more, every second one is dropped. */
const MOST_SAMPLES = 2048;

/** Numbers that were looked at now and then, in bounded memory: the longer an export, the rarer the looks that are kept. */
export class Series {
  readonly #most: number;
  readonly #values = new Map<string, number[]>();
  #times: number[] = [];
  #keepEvery = 1;
  #looks = 0;

  /** @param most samples to keep */
  constructor(most = MOST_SAMPLES) {
    this.#most = most;
  }

  /** ms since the export began. */
  get times(): readonly number[] {
    return this.#times;
  }

  /** By name, as many as times. */
  get values(): ReadonlyMap<string, readonly number[]> {
    return this.#values;
  }

  /** @param values by name; a name that was not there before was 0 */
  look(ms: number, values: Iterable<readonly [string, number]>): void {
    if (this.#looks++ % this.#keepEvery > 0) return;
    this.#times.push(ms);
    for (const [name, value] of values) {
      const known = this.#values.get(name) ?? Array<number>(this.#times.length - 1).fill(0);
      known.push(value);
      this.#values.set(name, known);
    }
    if (this.#times.length > this.#most) this.#thin();
  }

  #thin(): void {
    const isKept = (_: number, i: number) => i % 2 === 0;
    this.#times = this.#times.filter(isKept);
    for (const [name, values] of this.#values) this.#values.set(name, values.filter(isKept));
    this.#keepEvery *= 2;
    this.#looks = 1;
  }
}
