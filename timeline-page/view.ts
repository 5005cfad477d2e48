/** Nothing is shown larger than this: what lies in it was measured no finer. */
const LEAST_MS = 0.02;

/** Which part of the time is shown, in how many pixels. */
export class View {
  readonly #wholeMs: number;
  fromMs = 0;
  toMs: number;
  /** Pixels of the names' column and of all. */
  left = 0;
  width = 1;

  constructor(wholeMs: number) {
    this.#wholeMs = Math.max(wholeMs, LEAST_MS);
    this.toMs = this.#wholeMs;
  }

  get msPerPixel(): number {
    return (this.toMs - this.fromMs) / Math.max(1, this.width - this.left);
  }

  xOf(ms: number): number {
    return this.left + (ms - this.fromMs) / this.msPerPixel;
  }

  msAt(x: number): number {
    return this.fromMs + (x - this.left) * this.msPerPixel;
  }

  /** Shows `factor` times as much time; what is at `x` stays there. */
  zoom(factor: number, x = (this.left + this.width) / 2): void {
    const at = this.msAt(x);
    const span = Math.min(this.#wholeMs, Math.max(LEAST_MS, (this.toMs - this.fromMs) * factor));
    const part = (at - this.fromMs) / (this.toMs - this.fromMs);
    this.#show(at - part * span, span);
  }

  move(pixels: number): void {
    this.#show(this.fromMs + pixels * this.msPerPixel, this.toMs - this.fromMs);
  }

  showRange(oneMs: number, otherMs: number): void {
    const span = Math.max(LEAST_MS, Math.abs(otherMs - oneMs));
    this.#show(Math.min(oneMs, otherMs), span);
  }

  showAll(): void {
    this.#show(0, this.#wholeMs);
  }

  #show(fromMs: number, spanMs: number): void {
    this.fromMs = Math.max(0, Math.min(fromMs, this.#wholeMs - spanMs));
    this.toMs = this.fromMs + spanMs;
  }
}
