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

/** More spans than these are merged: a page with them still draws smoothly, and they take a few MB. */
const MOST_SPANS = 40_000;

/** Spans of one layer with a longer pause between them are merged only when there is no other way left. */
const LONGEST_OWN_PAUSE_MS = 50;

/** The layer of spans that are of several. */
export const SEVERAL = "";

/** What a thread does for blocks of a layer. */
type SpanKind = "make" | "diff-id" | "blob";

/** Something that a thread did; ms of one clock. */
export interface Span {
  readonly thread: number;
  layer: string;
  readonly kind: SpanKind;
  startMs: number;
  endMs: number;
  /** Less than all of the time where spans with pauses between them were merged. */
  busyMs: number;
  /** Of the busy time, what was spent with reading files. */
  readMs: number;
  blocks: number;
}

/**
 * What was done, in bounded memory, whatever is done and for however long. When there is too much of it, spans of one lane that
 * follow each other closely and are for one layer become one; when that is not enough, also those of several layers.
 */
export class SpanList {
  readonly #laneOf: (span: Span) => string | number;
  readonly #most: number;
  #spans: Span[] = [];
  /** The last span of each lane. */
  readonly #last = new Map<string | number, Span>();
  /** Pauses up to this are merged over; below 0 nothing is merged. */
  #pauseMs = -1;
  #mixesLayers = false;

  /** @param laneOf spans of one lane may become one @param most spans to keep; more than there are lanes */
  constructor(laneOf: (span: Span) => string | number, most = MOST_SPANS) {
    this.#laneOf = laneOf;
    this.#most = most;
  }

  get spans(): readonly Span[] {
    return this.#spans;
  }

  /** @param span is the list's from now on */
  add(span: Span): void {
    this.#place(span);
    if (this.#spans.length > this.#most) this.#compact();
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

  /** Half of them at most are left, so that it seldom happens. */
  #compact(): void {
    while (this.#spans.length > this.#most / 2 && this.#pauseMs < Number.POSITIVE_INFINITY) {
      this.#pauseMs = Math.max(0.25, this.#pauseMs * 2);
      if (!this.#mixesLayers && this.#pauseMs > LONGEST_OWN_PAUSE_MS) {
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
