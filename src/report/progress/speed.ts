/** A speed is that of the last so many ms: long enough to be calm, short enough to show that something stopped. */
const WINDOW_MS = 5000;

/** Two looks that are closer to each other are one. */
const MIN_STEP_MS = 200;

/** How fast a number grows that is looked at now and then. */
export class Speed {
  readonly #looks: { readonly ms: number; readonly bytes: number }[] = [];

  /** @param ms of the clock @param bytes in all by then */
  look(ms: number, bytes: number): void {
    const last = this.#looks.at(-1);
    if (last !== undefined && ms - last.ms < MIN_STEP_MS) return;
    this.#looks.push({ ms, bytes });
    while ((this.#looks[1]?.ms ?? ms) <= ms - WINDOW_MS) this.#looks.shift();
  }

  /** Bytes per second; 0 while there is nothing to compare with. */
  get bytesPerSecond(): number {
    const [first, last] = [this.#looks[0], this.#looks.at(-1)];
    if (first === undefined || last === undefined || last.ms === first.ms) return 0;
    return Math.max(0, ((last.bytes - first.bytes) * 1000) / (last.ms - first.ms));
  }
}
