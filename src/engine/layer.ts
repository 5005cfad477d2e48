import type { LayerWork } from "../observe/layer-work.ts";
import type { DiffID, Digest } from "../oci/digest.ts";
import type { LayerPlan, Rank } from "../plan/layers.ts";

/** How many chunks of a blob a reader may hold at once; enough for a socket, the stream before it, and one being read. */
export const CHUNKS_IN_FLIGHT = 4;

/** Compressed bytes of a layer while and after they are made; any number of readers follow at their own pace. */
export interface GrowingBlob {
  /** Bytes made so far. */
  readonly available: number;
  /** Settles when the last byte is made: the blob's digest and its size in bytes. Rejects with the fault that stopped it. */
  readonly done: Promise<{ readonly digest: Digest; readonly size: number }>;
  /** Resolves true as soon as more than `bytes` are available, false when the blob ended at or before that size. */
  reaches(bytes: number): Promise<boolean>;
  /**
   * The bytes from offset `from` to the end, waiting for those that are not made yet. A chunk's memory is used again when
   * {@link CHUNKS_IN_FLIGHT} more were asked for: whoever keeps it longer copies it.
   * Rejects with the maker's fault, or with the signal's reason.
   */
  read(from: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Gives the file that holds the complete blob this name, where that file has one (see {@link BlobFiles}), as soon as its
   * bytes are on the disk: none is copied, and readers go on. False when there is no file, or when it was moved before.
   */
  moveTo?(path: string): Promise<boolean>;
}

/** A finished tar on disk, under a name of its own that its consumer replaces. */
export interface MadeTar {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** A layer, finished or in progress, and its products (docs/architecture.md#principles). */
export interface Layer {
  readonly plan: LayerPlan;
  /**
   * SHA-256 of the uncompressed tar, as soon as it is known. Where a stream is planned and there is nothing to compare with,
   * the pass that hashes begins with the first read of {@link tarStream}: read it without waiting for the diffID, or call
   * {@link hash}.
   */
  readonly diffId: Promise<DiffID>;
  /** The diffID where nobody will read the planned stream; the stream is given up if its reading has not begun. */
  hash(): Promise<DiffID>;
  /** Length of the uncompressed tar in bytes, known after the scan. */
  readonly tarSize: Promise<number>;
  /**
   * The compressed blob; making it starts at the first call if it was not started with the hash. Every consumer that the
   * plan counts calls `release` once, whether it asked for the blob or not; the last one frees the spool.
   */
  blob(): Promise<GrowingBlob>;
  /**
   * The tar in a file in `directory`, complete and on the disk: the one that the plan has, made together with other products,
   * or one that is made for this call. Its failure is not the layer's.
   * @param rank queue position of a pass that is needed for this alone; default: the plan's
   */
  tarFile(directory: string, rank?: Rank): Promise<MadeTar>;
  /**
   * The tar's bytes in order, {@link tarSize} in all, at the reader's pace: each call is a pass, the first one the pass that
   * hashes where the plan says so. Each chunk is the reader's own. A pass begins with the first read, and a reader that stops
   * to read keeps slots and a pass's place: whoever reads several layers reads one to its end before the next.
   * Rejects with the fault that stopped it, at the latest after the last byte; or with the signal's reason.
   */
  tarStream(signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** One consumer needs the layer no longer. */
  release(): void;
  readonly counters: LayerCounters;
  /** How far it is. */
  readonly work: LayerWork;
}

/** How often each thing was done to a layer: the proof that shared work is done once. */
export interface LayerCounters {
  /** Complete passes over the source. */
  reads: number;
  /** SHA-256 passes over the uncompressed tar. */
  hashes: number;
  compressions: number;
  uploads: number;
  /** Files written with the uncompressed tar. */
  tarFiles: number;
  /** Streams of the uncompressed tar. */
  tarStreams: number;
}

/**
 * The directory in which a plan's blob is made in a file that can be moved, on the file system where the blob is to stay;
 * undefined for a blob that only waits for uploads.
 */
export type BlobFiles = (plan: LayerPlan) => Promise<string | undefined>;
