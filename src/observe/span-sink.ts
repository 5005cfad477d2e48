export type LayerProduct = "diff-id" | "blob" | "tar-file" | "tar-stream";

export type Side = "app" | "cache";

export type TransferOutcome = "uploaded" | "mounted" | "existing";

/** When a thread worked on a block, in ms of {@link threadClock}. */
export interface BlockTimes {
  readonly thread: number;
  readonly startMs: number;
  readonly readMs: number;
  readonly endMs: number;
}

/** Called at most once for each MiB of a layer. */
export interface SpanSink {
  block(layer: string, block: number, times: BlockTimes): void;
  digest(layer: string, kind: "diff-id" | "blob", times: Omit<BlockTimes, "readMs">): void;
}

/** Sizes in bytes. */
export interface ObservedWork {
  readonly id: string;
  readonly tarSize: number | undefined;
  readonly isCompressed: boolean;
  readonly compressed: number;
}

/** Sizes in bytes. Each transfer has one object, which is its identity. */
export interface ObservedTransfer {
  readonly plan: { readonly destination: string; readonly image: Side; readonly layer?: string | undefined };
  readonly outcome: TransferOutcome | undefined;
  readonly size: number | undefined;
  readonly sent: number;
}

/** Receives work as it begins and ends, as objects; the events contain only names. */
export interface WorkSink extends SpanSink {
  passBegan(work: ObservedWork, makes: readonly LayerProduct[]): void;
  passEnded(work: ObservedWork, failure: unknown): void;
  transferCreated(transfer: ObservedTransfer): void;
  /** @param offset above 0 for a transfer that resumes */
  transferBegan(transfer: ObservedTransfer, offset: number): void;
  transferRetried(transfer: ObservedTransfer, error: unknown, waitMs: number): void;
  transferEnded(transfer: ObservedTransfer, failure: unknown, digest?: string): void;
  /** For a request that is part of no transfer. */
  retried(error: unknown, waitMs: number): void;
  cacheBegan(): void;
  cacheFailed(error: unknown): void;
}
