/** One thread's lane, or one place for uploads to a destination. Times are in ms since the export began, sizes in bytes. */
export interface Lane {
  readonly name: string;
  readonly group: "threads" | "uploads";
}

/** What a thread did: `[lane, layer, kind, start, duration, busy, reading, blocks]`, with numbers of lanes and layers; -1 is several. */
export type ThreadSpan = readonly [
  lane: number,
  layer: number,
  kind: "make" | "diff-id" | "blob",
  startMs: number,
  durationMs: number,
  /** Less than the duration where blocks with pauses between them were merged. */
  busyMs: number,
  /** Of the busy time. */
  readMs: number,
  blocks: number,
];

/** When threads did something for a layer: `[layer, kind, start, duration, busy]`; busy is the sum of all threads. */
export type LayerSpan = readonly [
  layer: number,
  kind: "make" | "diff-id" | "blob",
  startMs: number,
  durationMs: number,
  busyMs: number,
];

/** A blob on its way to a destination. */
export interface UploadSpan {
  readonly lane: number;
  /** Number of the layer; -1 for a layer of the run image. */
  readonly layer: number;
  readonly destination: string;
  readonly image: "app" | "cache";
  readonly startMs: number;
  readonly endMs: number;
  readonly sentBytes: number;
  readonly outcome: "uploaded" | "mounted" | "existing" | "failed";
}

/** A layer, and when it got how far. */
export interface TimelineLayer {
  readonly id: string;
  readonly tarSize: number;
  /** Of the blob; 0 for none. */
  readonly size: number;
  readonly startedMs: number | undefined;
  readonly hashedMs: number | undefined;
  readonly compressedMs: number | undefined;
  readonly isReused: boolean;
}

/** Something that happened once. */
export interface Moment {
  readonly name: string;
  readonly ms: number;
  readonly kind: "app" | "cache" | "failure";
}

/** What was going on in an export, and when. */
export interface Timeline {
  /** Which version of which program. */
  readonly program: string;
  /** When it began, ISO 8601. */
  readonly began: string;
  readonly durationMs: number;
  readonly lanes: readonly Lane[];
  readonly layers: readonly TimelineLayer[];
  readonly spans: readonly ThreadSpan[];
  readonly layerSpans: readonly LayerSpan[];
  readonly uploads: readonly UploadSpan[];
  readonly moments: readonly Moment[];
  /** How many waited at each queue, and how many bytes were sent to each destination by then. */
  readonly samples: {
    readonly times: readonly number[];
    readonly queues: Readonly<Record<string, readonly number[]>>;
    readonly sent: Readonly<Record<string, readonly number[]>>;
  };
}
