import type { LayerWork } from "../observe/layer-work.ts";
import type { DiffID, Digest } from "../oci/digest.ts";
import type { LayerPlan, Rank } from "../plan/layers.ts";

/**
 * The file of a spool, for a reader in another thread: the blob begins at `offset`, and the file stays open until
 * `close`.
 */
export interface OpenSpool {
  readonly fileDescriptor: number;
  readonly offset: number;
  close(): Promise<void>;
}

/**
 * A layer's compressed bytes, readable while they are produced; any number of readers follow at their own pace. `done`
 * settles with the last byte, or rejects with the fault of the build. A blob that is not in a file has no `openFile`.
 */
export interface GrowingBlob {
  readonly available: number;
  readonly done: Promise<{ readonly digest: Digest; readonly size: number }>;
  /** Resolves true once more than `bytes` are available, false if the blob ends at or before that size. */
  reaches(bytes: number): Promise<boolean>;
  /**
   * The bytes from offset `from` to the end, as they become available. A chunk's memory is reused after
   * `CHUNKS_IN_FLIGHT` more chunks.
   * @throws the fault of the build; the signal's reason
   */
  read(from: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  openFile?(): OpenSpool;
  /**
   * Renames the blob's file once its bytes are on the disk; readers are not interrupted. False without a file of its
   * own (see {@link BlobFiles}), or if it was moved before.
   */
  moveTo?(path: string): Promise<boolean>;
}

export interface FinishedTar {
  readonly path: string;
  readonly size: number;
}

export interface Layer {
  readonly plan: LayerPlan;
  /**
   * SHA-256 of the uncompressed tar, as soon as it is known. If a stream is planned and nothing can be compared, the
   * hashing pass begins with the first read of {@link tarStream}: read it without waiting for the diffID, or call
   * {@link hash}, which declines the stream unless it is being read.
   */
  readonly diffId: Promise<DiffID>;
  hash(): Promise<DiffID>;
  readonly tarSize: Promise<number>;
  /**
   * The compressed blob, built from the first call on unless it was built with the hash. Every planned consumer calls
   * `release` once, whether it asked for the blob or not; the last call frees the spool.
   */
  blob(): Promise<GrowingBlob>;
  /**
   * The tar as a file in `directory`, synced: the planned file, or one written for this call. Its failure does not fail
   * the layer.
   * @param rank queue position of a pass for this file alone; default: the plan's
   */
  tarFile(directory: string, rank?: Rank): Promise<FinishedTar>;
  /**
   * The tar's bytes in order, at the reader's pace; the reader owns each chunk. Every call is a pass, and the first one
   * also hashes if the stream is planned. A paused reader keeps slots and a pass, so read one layer to its end before
   * the next.
   * @throws the fault of the build, at the latest after the last byte; the signal's reason
   */
  tarStream(signal?: AbortSignal): AsyncIterable<Uint8Array>;
  release(): void;
  readonly counters: LayerCounters;
  readonly work: LayerWork;
}

export interface LayerCounters {
  reads: number;
  hashes: number;
  compressions: number;
  uploads: number;
  tarFiles: number;
  tarStreams: number;
}

/**
 * The directory for a plan's blob if its file is to become the blob, on the same file system; undefined for a blob that
 * is only uploaded.
 */
export type BlobFiles = (plan: LayerPlan) => Promise<string | undefined>;
