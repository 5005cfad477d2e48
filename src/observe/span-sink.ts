/** When a thread worked on a block, in ms of {@link threadClock}. */
export interface BlockTimes {
  readonly thread: number;
  readonly startMs: number;
  readonly readMs: number;
  readonly endMs: number;
}

/** Receives the spans of a timeline. Calls come at most once for each MiB of a layer. */
export interface SpanSink {
  block(layer: string, block: number, times: BlockTimes): void;
  digest(layer: string, kind: "diff-id" | "blob", times: Omit<BlockTimes, "readMs">): void;
}
