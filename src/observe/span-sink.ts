import type { LayerProduct, LayerWork } from "./layer-work.ts";
import type { Transfer } from "./transfer.ts";

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

/** Takes work as it begins and ends, with the object that it is about, which the events name only. */
export interface WorkSink extends SpanSink {
  /** A pass over a layer's files. */
  passBegan(work: LayerWork, makes: readonly LayerProduct[]): void;
  passEnded(work: LayerWork, failure: unknown): void;
  transferCreated(transfer: Transfer): void;
  /** @param offset above 0 for a transfer that resumes */
  transferBegan(transfer: Transfer, offset: number): void;
  transferRetried(transfer: Transfer, error: unknown, waitMs: number): void;
  transferEnded(transfer: Transfer, failure: unknown, digest?: string): void;
  /** A request that is part of no transfer is repeated. */
  retried(error: unknown, waitMs: number): void;
  cacheBegan(): void;
  cacheFailed(error: unknown): void;
}
