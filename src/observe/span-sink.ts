/** When a thread did something for a block: ms of {@link threadClock}. */
export interface BlockTimes {
  /** The thread's number in this process. */
  readonly thread: number;
  readonly startMs: number;
  /** The block's bytes were read; at the end when it was not compressed. */
  readonly readMs: number;
  readonly endMs: number;
}

/** Takes what was done when, for a timeline. Calls come at most once for each MiB of a layer. */
export interface SpanSink {
  /** A thread read and compressed a block. */
  block(layer: string, block: number, times: BlockTimes): void;
  /** A thread hashed a block: of the tar, or of the compressed bytes, which it also appended to the spool. */
  digest(layer: string, kind: "diff-id" | "blob", times: Omit<BlockTimes, "readMs">): void;
}
