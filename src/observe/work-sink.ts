export type LayerProduct = "diff-id" | "blob" | "tar-file" | "tar-stream";

export type ImageKind = "app" | "cache";

export type TransferOutcome = "uploaded" | "mounted" | "existing";

/** When a thread worked on a block, in ms of {@link threadClock}. */
export interface BlockTimes {
  readonly thread: number;
  readonly startMs: number;
  readonly readMs: number;
  readonly endMs: number;
}

export interface BlockSink {
  block(layer: string, times: BlockTimes): void;
  digest(layer: string, kind: "diff-id" | "blob", times: Omit<BlockTimes, "readMs">): void;
}

export interface ObservedWork {
  readonly id: string;
  readonly tarSize: number | undefined;
  readonly isCompressed: boolean;
  readonly compressed: number;
}

/** Each transfer has one object, which is its identity. */
export interface ObservedTransfer {
  readonly plan: { readonly destination: string; readonly image: ImageKind; readonly layer?: string | undefined };
  readonly outcome: TransferOutcome | undefined;
  readonly size: number | undefined;
  readonly sent: number;
}

/**
 * Receives work as it begins and ends, as objects with sizes in bytes; the events contain only names. A transfer that
 * resumes begins at an offset above 0. `retried` reports requests that are part of no transfer.
 */
export interface WorkSink extends BlockSink {
  passBegan(work: ObservedWork, products: readonly LayerProduct[]): void;
  passEnded(work: ObservedWork, failure: unknown): void;
  transferCreated(transfer: ObservedTransfer): void;
  transferBegan(transfer: ObservedTransfer, offset: number): void;
  transferRetried(transfer: ObservedTransfer, error: unknown, waitMs: number): void;
  transferEnded(transfer: ObservedTransfer, failure: unknown, digest?: string): void;
  retried(error: unknown, waitMs: number): void;
  cacheBegan(): void;
  cacheFailed(error: unknown): void;
}
