import type { MessagePort } from "node:worker_threads";
import type { WireFault } from "../faults/wire.ts";
import type { BlockTimes } from "../flow/span-sink.ts";
import type { LocalSource } from "../plan/layer-plan.ts";
import type { Arena } from "./arena.ts";
import type { Compression } from "./block-encoder.ts";
import type { TouchedFile } from "./file-contents.ts";
import type { ForeignBlob } from "./foreign-tar/copy-tar.ts";
import type { LayerTar } from "./stored-tar.ts";
import type { TarIndex } from "./tar-index.ts";

/*
 * All that crosses a thread border. A task gets exactly one answer: its Done, or Failed. Layer bytes never travel: they
 * lie in the arena, and messages name the slot.
 */

/** Given to every thread of the compressing pool at its start. */
export interface CompressorSetup {
  readonly arena: Arena;
  readonly compression: Compression;
}

/** Look at a source and return its index, or for an app directory the indexes of all its slices. */
export interface ScanTask {
  readonly kind: "scan";
  readonly source: LocalSource;
}

export interface ScanDone {
  readonly kind: "scan-done";
  readonly indexes: readonly TarIndex[];
}

/** Make one block of a tar in a slot and compress it there. */
export interface BlockTask {
  readonly kind: "block";
  readonly tar: LayerTar;
  readonly block: number;
  readonly slot: number;
  readonly compress: boolean;
}

export interface BlockDone {
  readonly kind: "block-done";
  /** Bytes of tar. */
  readonly length: number;
  /** Bytes of output; 0 when not compressed. */
  readonly outputLength: number;
  readonly crc32: number;
  /** Files that were touched since the scan. */
  readonly touched: readonly TouchedFile[];
  readonly times: BlockTimes;
}

/** Write a foreign tar into a spool file, normalised. */
export interface CopyTask {
  readonly kind: "copy";
  readonly source: ForeignBlob;
  /** File descriptor of the main thread's: a thread's own would be closed with it. */
  readonly spool: number;
}

export interface CopyDone {
  readonly kind: "copy-done";
  /** Bytes. */
  readonly tarSize: number;
}

export interface TaskFailed {
  readonly kind: "failed";
  readonly fault: WireFault;
}

export type CompressorTask = ScanTask | BlockTask | CopyTask;
export type CompressorReply = ScanDone | BlockDone | CopyDone | TaskFailed;

/** Given to every thread of the digesting pool at its start. */
export interface DigesterSetup {
  readonly arena: Arena;
  /** What the blob is: one gzip member around DEFLATE blocks, or zstd frames, which need nothing around them. */
  readonly format: Compression["kind"];
}

/**
 * Digest the blocks of one layer as they come over the port, in order: of the tar (`diff-id`), or of the compressed bytes
 * (`blob`), which are also framed and appended to the spool. The task lasts as long as the layer.
 */
export interface DigestTask {
  readonly kind: "diff-id" | "blob";
  readonly port: MessagePort;
  /** File descriptor of the spool; only for `blob`. Threads of a process share descriptors. */
  readonly spool: number;
  /** Where the blob begins there, in bytes. */
  readonly offset: number;
}

/** To the thread: the next block. */
export interface DigestBlock {
  readonly kind: "block";
  readonly slot: number;
  readonly length: number;
  readonly outputLength: number;
  readonly crc32: number;
}

/** To the thread: all blocks were sent (`complete`), or no more will come because something failed. */
export interface DigestEnd {
  readonly kind: "end";
  readonly complete: boolean;
}

/** From the thread: it no longer needs the slot of its oldest block. `size` is what the spool holds now, in bytes. */
export interface DigestProgress {
  readonly kind: "progress";
  readonly slot: number;
  readonly size: number;
  readonly times: Omit<BlockTimes, "readMs">;
}

export interface DigestDone {
  readonly kind: "digest-done";
  /** Lower-case hex SHA-256. */
  readonly sha256: string;
  /** Bytes digested. */
  readonly size: number;
  /** CRC-32 of the tar. */
  readonly crc32: number;
}

export type DigestReply = DigestDone | TaskFailed;

/** Hash a file that is complete: a tar of an earlier export. */
export interface HashFileTask {
  readonly kind: "hash-file";
  readonly path: string;
}

export interface HashFileDone {
  readonly kind: "hash-file-done";
  /** Lower-case hex SHA-256. */
  readonly sha256: string;
  /** Bytes hashed. */
  readonly size: number;
}

export type DigesterTask = DigestTask | HashFileTask;
export type DigesterReply = DigestReply | HashFileDone;
