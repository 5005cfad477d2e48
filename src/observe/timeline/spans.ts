const MAX_SAMPLES = 2048;

/** Samples in bounded memory: the longer the export, the fewer samples are kept. */
export class Series {
  readonly #max: number;
  readonly #values = new Map<string, number[]>();
  #times: number[] = [];
  #keepEvery = 1;
  #samples = 0;

  constructor(max = MAX_SAMPLES) {
    this.#max = max;
  }

  get times(): readonly number[] {
    return this.#times;
  }

  get values(): ReadonlyMap<string, readonly number[]> {
    return this.#values;
  }

  sample(ms: number, values: Iterable<readonly [string, number]>): void {
    if (this.#samples++ % this.#keepEvery > 0) return;
    this.#times.push(ms);
    for (const [name, value] of values) {
      const known = this.#values.get(name) ?? Array<number>(this.#times.length - 1).fill(0);
      known.push(value);
      this.#values.set(name, known);
    }
    if (this.#times.length > this.#max) this.#thin();
  }

  #thin(): void {
    const isKept = (_: number, i: number) => i % 2 === 0;
    this.#times = this.#times.filter(isKept);
    for (const [name, values] of this.#values) this.#values.set(name, values.filter(isKept));
    this.#keepEvery *= 2;
    this.#samples = 1;
  }
}

const MAX_SPANS = 40_000;

const MAX_OWN_PAUSE_MS = 50;

export const SEVERAL = "";

type SpanKind = "build" | "diff-id" | "blob";

export interface Span {
  readonly thread: number;
  layer: string;
  readonly kind: SpanKind;
  startMs: number;
  endMs: number;
  busyMs: number;
  readMs: number;
  blocks: number;
}

/**
 * Spans in bounded memory, whatever the length of the export. Beyond {@link MAX_SPANS}, consecutive spans of one lane
 * and layer are merged; if that is not enough, also those of several layers. A page with this many still draws
 * smoothly, and they take a few MB.
 */
export class SpanList {
  readonly #laneOf: (span: Span) => string | number;
  readonly #max: number;
  #spans: Span[] = [];
  readonly #last = new Map<string | number, Span>();
  /** Merge spans with pauses up to this; below 0 nothing is merged. */
  #pauseMs = -1;
  #mixesLayers = false;

  constructor(laneOf: (span: Span) => string | number, max = MAX_SPANS) {
    this.#laneOf = laneOf;
    this.#max = max;
  }

  get spans(): readonly Span[] {
    return this.#spans;
  }

  add(span: Span): void {
    this.#place(span);
    if (this.#spans.length > this.#max) this.#compact();
  }

  #place(span: Span): void {
    const lane = this.#laneOf(span);
    const last = this.#last.get(lane);
    if (last !== undefined && this.#isOneWith(last, span)) {
      merge(last, span);
      return;
    }
    this.#last.set(lane, span);
    this.#spans.push(span);
  }

  #isOneWith(last: Span, { layer, kind, startMs }: Span): boolean {
    if (startMs - last.endMs > this.#pauseMs) return false;
    return this.#mixesLayers || (last.layer === layer && last.kind === kind);
  }

  #compact(): void {
    while (this.#spans.length > this.#max / 2 && this.#pauseMs < Number.POSITIVE_INFINITY) {
      this.#pauseMs = Math.max(0.25, this.#pauseMs * 2);
      if (!this.#mixesLayers && this.#pauseMs > MAX_OWN_PAUSE_MS) {
        this.#mixesLayers = true;
        this.#pauseMs = 0.25;
      }
      const old = this.#spans;
      this.#spans = [];
      this.#last.clear();
      for (const span of old) this.#place(span);
    }
  }
}

function merge(into: Span, { layer, startMs, endMs, busyMs, readMs, blocks }: Span): void {
  if (into.layer !== layer) into.layer = SEVERAL;
  into.startMs = Math.min(into.startMs, startMs);
  into.endMs = Math.max(into.endMs, endMs);
  into.busyMs += busyMs;
  into.readMs += readMs;
  into.blocks += blocks;
}
