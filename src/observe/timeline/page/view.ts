import { AXIS_HEIGHT, type Bar, type Chart, heightOf, type Row, timeText } from "./rows.ts";

const MIN_MS = 0.02;

export class View {
  readonly #startMs: number;
  readonly #wholeMs: number;
  fromMs: number;
  toMs: number;
  left = 0;
  width = 1;

  constructor(endMs: number, startMs = 0) {
    this.#startMs = startMs;
    this.#wholeMs = Math.max(endMs - startMs, MIN_MS);
    this.fromMs = startMs;
    this.toMs = startMs + this.#wholeMs;
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

  zoom(factor: number, x = (this.left + this.width) / 2): void {
    const at = this.msAt(x);
    const span = Math.min(this.#wholeMs, Math.max(MIN_MS, (this.toMs - this.fromMs) * factor));
    const part = (at - this.fromMs) / (this.toMs - this.fromMs);
    this.#show(at - part * span, span);
  }

  move(pixels: number): void {
    this.#show(this.fromMs + pixels * this.msPerPixel, this.toMs - this.fromMs);
  }

  showRange(oneMs: number, otherMs: number): void {
    const span = Math.max(MIN_MS, Math.abs(otherMs - oneMs));
    this.#show(Math.min(oneMs, otherMs), span);
  }

  showAll(): void {
    this.#show(this.#startMs, this.#wholeMs);
  }

  #show(fromMs: number, spanMs: number): void {
    const latest = this.#startMs + this.#wholeMs - spanMs;
    this.fromMs = Math.max(this.#startMs, Math.min(fromMs, latest));
    this.toMs = this.fromMs + spanMs;
  }
}

const NEAR = 3;

export function detailsAt(
  rows: readonly Row[],
  view: View,
  scrolled: number,
  x: number,
  y: number,
): string | undefined {
  if (y < AXIS_HEIGHT) return undefined;
  let top = AXIS_HEIGHT - scrolled;
  for (const row of rows) {
    const height = heightOf(row);
    if (y < top + height) return detailsIn(row, view, x, (y - top) / height);
    top += height;
  }
  return undefined;
}

function detailsIn(row: Row, view: View, x: number, part: number): string | undefined {
  if (row.kind === "title") return undefined;
  if (x < view.left) return row.label;
  if (row.kind === "chart") return chartDetails(row.chart, view.msAt(x));
  return nearest(row.bars, view, x, part)?.details().join("\n");
}

function nearest(bars: readonly Bar[], view: View, x: number, part: number): Bar | undefined {
  const [from, to] = [view.msAt(x - NEAR), view.msAt(x + NEAR)];
  const near = bars.filter((bar) => bar.endMs >= from && bar.startMs <= to);
  const ms = view.msAt(x);
  const isOn = (bar: Bar) => bar.startMs <= ms && ms <= bar.endMs && bar.top <= part && part <= bar.bottom;
  return near.findLast(isOn) ?? near.findLast(({ top, bottom }) => top <= part && part <= bottom) ?? near[0];
}

function chartDetails({ times, lines, format }: Chart, ms: number): string {
  const i = times.findLastIndex((time) => time <= ms);
  return [timeText(ms), ...lines.map(({ name, values }) => `${name}: ${format(values[i] ?? 0)}`)].join("\n");
}
