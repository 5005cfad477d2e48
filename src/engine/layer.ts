import type { LayerWork } from "../observe/layer-work.ts";
import type { DiffID, Digest } from "../oci/digest.ts";
import type { LayerPlan, Rank } from "../plan/layers.ts";

/** Chunks of a blob that a reader may hold at once: one in the socket, one in the stream before it, one being read. */
export const CHUNKS_IN_FLIGHT = 4;

/** A layer's compressed bytes, also while they are made; any number of readers follow at their own pace. */
export interface GrowingBlob {
  readonly available: number;
  /** Settles with the last byte; `size` in bytes. Rejects with the fault that stopped it. */
  readonly done: Promise<{ readonly digest: Digest; readonly size: number }>;
  /** Resolves true once more than `bytes` are available, false if the blob ends at or before that size. */
  reaches(bytes: number): Promise<boolean>;
  /**
   * The bytes from offset `from` to the end, waiting for those that are not made yet. A chunk's memory is reused after
   * {@link CHUNKS_IN_FLIGHT} more chunks.
   * @throws the fault of the build; the signal's reason
   */
  read(from: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Renames the blob's file as soon as its bytes are on the disk; readers go on. False without a file of its own (see
   * {@link BlobFiles}), or if it was moved before.
   */
  moveTo?(path: string): Promise<boolean>;
}

/** A finished tar on disk, under a name of its own that its consumer replaces. */
export interface MadeTar {
  readonly path: string;
  readonly size: number;
}

/** A layer, finished or in progress, and its products (docs/architecture.md#principles). */
export interface Layer {
  readonly plan: LayerPlan;
  /**
   * SHA-256 of the uncompressed tar, as soon as it is known. If a stream is planned and there is nothing to compare with,
   * the pass that hashes begins with the first read of {@link tarStream}: read it without waiting for the diffID, or call
   * {@link hash}.
   */
  readonly diffId: Promise<DiffID>;
  /** The diffID without a reader of the planned stream, which is given up unless it is being read. */
  hash(): Promise<DiffID>;
  /** Bytes; known after the scan. */
  readonly tarSize: Promise<number>;
  /**
   * The compressed blob, built from the first call on unless it was built with the hash. Every planned consumer calls
   * `release` once, whether it asked for the blob or not; the last one frees the spool.
   */
  blob(): Promise<GrowingBlob>;
  /**
   * The tar in a file in `directory`, complete and on the disk: the planned file, or one made for this call. Its failure
   * is not the layer's.
   * @param rank queue position of a pass for this file alone; default: the plan's
   */
  tarFile(directory: string, rank?: Rank): Promise<MadeTar>;
  /**
   * The tar's bytes in order, at the reader's pace; each chunk is the reader's own. Every call is a pass, the first one
   * the pass that hashes if the stream is planned. A reader that pauses keeps slots and a place of a pass, so read one
   * layer to its end before the next.
   * @throws the fault that stopped it, at the latest after the last byte; the signal's reason
   */
  tarStream(signal?: AbortSignal): AsyncIterable<Uint8Array>;
  release(): void;
  readonly counters: LayerCounters;
  readonly work: LayerWork;
}

/** How often each step ran for a layer: shared work must be done once. */
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
 * only waits for uploads.
 */
export type BlobFiles = (plan: LayerPlan) => Promise<string | undefined>;
