/** Times are in ms since the export began, sizes in bytes. */
export interface Lane {
  readonly name: string;
  readonly group: "threads" | "uploads";
}

/** Lane and layer are indexes; layer -1 means several. */
export type ThreadSpan = readonly [
  lane: number,
  layer: number,
  kind: "build" | "diff-id" | "blob",
  startMs: number,
  durationMs: number,
  busyMs: number,
  readMs: number,
  blocks: number,
];

export type LayerSpan = readonly [
  layer: number,
  kind: "build" | "diff-id" | "blob",
  startMs: number,
  durationMs: number,
  busyMs: number,
];

export interface UploadSpan {
  readonly lane: number;
  readonly layer: number;
  readonly destination: string;
  readonly image: "app" | "cache";
  readonly startMs: number;
  readonly endMs: number;
  readonly sentBytes: number;
  readonly outcome: "uploaded" | "mounted" | "existing" | "failed";
}

export interface TimelineLayer {
  readonly id: string;
  readonly tarSize: number;
  readonly size: number;
  readonly startedMs: number | undefined;
  readonly hashedMs: number | undefined;
  readonly compressedMs: number | undefined;
  readonly isReused: boolean;
}

export interface Marker {
  readonly name: string;
  readonly ms: number;
  readonly kind: "app" | "cache" | "failure";
}

/**
 * A phase or layer from before the export, in the creator. Recorded in ms of the thread clock; in a {@link Timeline} in
 * ms since the export began, so negative.
 */
export interface EarlierSpan {
  readonly kind: "phase" | "layer";
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

export interface Timeline {
  readonly program: string;
  readonly began: string;
  readonly durationMs: number;
  readonly lanes: readonly Lane[];
  readonly layers: readonly TimelineLayer[];
  readonly spans: readonly ThreadSpan[];
  readonly layerSpans: readonly LayerSpan[];
  readonly uploads: readonly UploadSpan[];
  readonly markers: readonly Marker[];
  readonly earlier: readonly EarlierSpan[];
  readonly samples: {
    readonly times: readonly number[];
    readonly queues: Readonly<Record<string, readonly number[]>>;
    readonly sent: Readonly<Record<string, readonly number[]>>;
  };
}
