import type { MessagePort } from "node:worker_threads";
import { Fault } from "../src/errors/fault.ts";
import type { WireFault } from "../src/errors/wire.ts";
import { type ByteString, fromByteString } from "../src/go/byte-string.ts";
import type { BlockTimes } from "../src/observe/work-sink.ts";
import type { Digest } from "../src/oci/digest.ts";
import type { DirectorySource, LocalSource } from "../src/plan/layers.ts";

/*
 * Everything that the engine and its threads both know: the tar of a layer and its blocks, the shared memory, the
 * messages. Only src/engine/small-tasks.ts imports more of the threads' code. Messages of uploads, whose thread runs
 * the code of src/http, are in src/http/upload-task.ts.
 */

/**
 * Bytes of tar in a block. Part of the blob's identity: another size changes every digest
 * (docs/decisions/0003-one-gzip-member.md).
 */
export const BLOCK_SIZE = 1 << 20;

/**
 * The directory inside a cache directory where an export writes. Scans skip it, because the app directory may contain
 * the cache: its files change, and closing its lock file would release the lock (src/files/owned-directory.ts).
 */
export const CACHE_STAGING = "staging-tandem";

export interface TarIndexSegment {
  readonly memory: SharedArrayBuffer;
  readonly entryCount: number;
  readonly start: number;
  readonly ownerCount: number;
}

/**
 * The tar index: every entry of a layer's tar and the offset of every byte, without any content
 * (docs/architecture.md#principles). It is plain shared memory, so any thread can build any part of the tar, and
 * posting it to a thread copies nothing. All file entries take their contents from `contentPath`, if there is one (the
 * launcher's), instead of the path that is their name.
 */
export interface TarIndex {
  readonly segments: readonly TarIndexSegment[];
  readonly entryCount: number;
  readonly tarSize: number;
  readonly contentPath: ByteString | undefined;
}

export interface StoredTar {
  readonly fileDescriptor: number;
  readonly tarSize: number;
}

export type LayerTar = TarIndex | StoredTar;

export function isStored(tar: LayerTar): tar is StoredTar {
  return "fileDescriptor" in tar;
}

export function blockCount({ tarSize }: Pick<LayerTar, "tarSize">): number {
  return Math.ceil(tarSize / BLOCK_SIZE);
}

export function blockLength({ tarSize }: Pick<LayerTar, "tarSize">, block: number): number {
  return Math.min(BLOCK_SIZE, tarSize - block * BLOCK_SIZE);
}

export function blockSource(tar: LayerTar, block: number): LayerTar {
  return isStored(tar) ? tar : partOf(tar, block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE);
}

/** The index of the tar's bytes `[from, to)`: a message that carries it is short even for a million entries. */
export function partOf(index: TarIndex, from: number, to: number): TarIndex {
  const { segments } = index;
  if (segments.length < 2) return index;
  const first = lastAtOrBefore(from, segments.length, (i) => (segments[i] as TarIndexSegment).start);
  let end = first + 1;
  while (end < segments.length && (segments[end] as TarIndexSegment).start < to) end += 1;
  return { ...index, segments: segments.slice(first, end) };
}

export function lastAtOrBefore(position: number, count: number, startOf: (i: number) => number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (startOf(middle) <= position) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

export type Compression =
  | { readonly kind: "gzip"; readonly level: number; readonly module: WebAssembly.Module }
  | { readonly kind: "zstd"; readonly level: number };

/**
 * Sizes that the DEFLATE module is built with (workers/deflate), in bytes; its instantiation checks them. The largest
 * output of a block is everything stored, with headers, and room for the encoder's last 8-byte store. The module can
 * import memories of up to `maxMemoryPages` pages of 64 KiB.
 */
export const DEFLATE = {
  inputSlack: 128,
  maxOutput: 1_048_762,
  scratch: 958_464,
  maxMemoryPages: 65_535,
} as const;

export interface ArenaNeeds {
  readonly outputCapacity: number;
  readonly scratch: number;
}

/**
 * One shared memory for all threads: slots, each with room for a block's tar bytes and its compressed bytes, and a
 * scratch region for each compressing thread. A block is built, compressed, hashed and written in place. It is a
 * WebAssembly memory so that the DEFLATE encoder can work in it.
 */
export interface Arena {
  readonly memory: WebAssembly.Memory;
  readonly slots: number;
  readonly threads: number;
  readonly needs: ArenaNeeds;
  readonly scratchUsers: Int32Array;
}

const WASM_PAGE = 1 << 16;

function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

const RAW_SIZE = align(DEFLATE.inputSlack + BLOCK_SIZE + DEFLATE.inputSlack);

function slotOffset({ needs }: Pick<Arena, "needs">, slot: number): number {
  // The first page holds the encoder's constants.
  return WASM_PAGE + slot * (RAW_SIZE + align(needs.outputCapacity));
}

export function createArena(slots: number, threads: number, needs: ArenaNeeds): Arena {
  const bytes = slotOffset({ needs }, slots) + threads * align(needs.scratch);
  const pages = Math.ceil(bytes / WASM_PAGE) + 1;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return { memory, slots, threads, needs, scratchUsers: new Int32Array(new SharedArrayBuffer(4)) };
}

export function rawOffset(arena: Arena, slot: number): number {
  return slotOffset(arena, slot) + DEFLATE.inputSlack;
}

export function outputOffset(arena: Arena, slot: number): number {
  return slotOffset(arena, slot) + RAW_SIZE;
}

export function takeScratch(arena: Arena): number {
  const index = Atomics.add(arena.scratchUsers, 0, 1);
  if (index >= arena.threads) throw new RangeError("more compressing threads than the arena was made for");
  return slotOffset(arena, arena.slots) + index * align(arena.needs.scratch);
}

export function rawBytes(arena: Arena, slot: number, length: number): Buffer {
  return Buffer.from(arena.memory.buffer, rawOffset(arena, slot), length);
}

export function outputBytes(arena: Arena, slot: number, length: number): Buffer {
  return Buffer.from(arena.memory.buffer, outputOffset(arena, slot), length);
}

/*
 * Messages. A task gets exactly one reply: its Done, or TaskFailed, because the fields of a rejection do not survive
 * the thread border. Layer bytes are not copied: messages name the slot of the arena. Sizes are in bytes; setups are
 * given to every thread of a pool at its start.
 */

export interface CompressorSetup {
  readonly arena: Arena;
  readonly compression: Compression;
}

export interface ScanTask {
  readonly kind: "scan";
  readonly source: LocalSource;
}

interface ScanDone {
  readonly kind: "scan-done";
  readonly indexes: readonly TarIndex[];
}

export interface StampedScanTask {
  readonly kind: "stamped-scan";
  readonly source: DirectorySource;
}

/**
 * The state of a directory tree, as lstat shows it: equal digests mean equal tars, unless contents changed without a
 * trace. `changedMs` is the latest change of any path (ctime), in ms since 1970. A tree is not self-contained if it
 * spans file systems, or one of its files has a name outside of it. `inodes` are those of its regular files.
 */
export interface TreeStamp {
  readonly digest: string;
  readonly changedMs: number;
  readonly isSelfContained: boolean;
  readonly inodes: BigUint64Array;
}

export interface StampedScan {
  readonly index: TarIndex;
  readonly stamp: TreeStamp;
}

interface StampedScanDone extends StampedScan {
  readonly kind: "stamped-scan-done";
}

interface StampTask {
  readonly kind: "stamp";
  readonly source: DirectorySource;
}

interface StampDone {
  readonly kind: "stamp-done";
  readonly stamp: TreeStamp;
}

export interface BlockTask {
  readonly kind: "block";
  readonly tar: LayerTar;
  readonly block: number;
  readonly slot: number;
  readonly compress: boolean;
}

/** A file whose times have changed since the scan; its contents are `size` bytes of the tar, from `start`. */
export interface TouchedFile {
  readonly path: ByteString;
  readonly start: number;
  readonly size: number;
}

export interface BlockDone {
  readonly kind: "block-done";
  readonly length: number;
  readonly outputLength: number;
  readonly crc32: number;
  readonly touched: readonly TouchedFile[];
  readonly times: BlockTimes;
}

export interface LayoutBlob {
  readonly path: ByteString;
  readonly digest: Digest;
}

export interface SpoolFile {
  /** Opened by the main thread: Node closes a thread's own with the thread. */
  readonly fileDescriptor: number;
  readonly directory: string;
  /** Code of a failed write: a file in a layout becomes a blob. */
  readonly code: "EXPORT_LAYER_SPOOL" | "EXPORT_LAYOUT_WRITE";
}

interface CopyTask {
  readonly kind: "copy";
  readonly source: LayoutBlob;
  readonly spool: SpoolFile;
}

interface CopyDone {
  readonly kind: "copy-done";
  readonly tarSize: number;
}

export interface TaskFailed {
  readonly kind: "failed";
  readonly fault: WireFault;
}

export type CompressorTask = ScanTask | StampedScanTask | StampTask | BlockTask | CopyTask;
export type CompressorReply = ScanDone | StampedScanDone | StampDone | BlockDone | CopyDone | TaskFailed;

export interface DigesterSetup {
  readonly arena: Arena;
  readonly format: Compression["kind"];
}

/**
 * Hash the blocks of one layer as they arrive at the port, in order: the tar (`diff-id`), or the compressed bytes
 * (`blob`), which are also framed and appended to the spool. The task lasts as long as the layer.
 */
export interface DigestTask {
  readonly kind: "diff-id" | "blob";
  readonly port: MessagePort;
  readonly spool: SpoolFile | undefined;
  readonly offset: number;
}

export interface DigestBlock {
  readonly kind: "block";
  readonly slot: number;
  readonly length: number;
  readonly outputLength: number;
  readonly crc32: number;
}

export interface DigestEnd {
  readonly kind: "end";
  readonly complete: boolean;
}

/** The thread is done with the slot. `size` is the length of the blob in the spool, in bytes. */
export interface DigestProgress {
  readonly kind: "progress";
  readonly slot: number;
  readonly size: number;
  readonly times: Omit<BlockTimes, "readMs">;
}

export interface DigestDone {
  readonly kind: "digest-done";
  readonly sha256: string;
  readonly size: number;
  readonly crc32: number;
}

export type DigestReply = DigestDone | TaskFailed;

export interface HashFileTask {
  readonly kind: "hash-file";
  readonly path: string;
}

export interface HashFileDone {
  readonly kind: "hash-file-done";
  readonly sha256: string;
}

export type DigesterTask = DigestTask | HashFileTask;
export type DigesterReply = DigestReply | HashFileDone;

export const UNREADABLE_CONTENTS = "EXPORT_LAYER_CONTENTS";

export function changedFault(path: ByteString, what: string): Fault {
  return new Fault("EXPORT_LAYER_CHANGED", `file changed while it was exported: ${fromByteString(path)} ${what}`);
}
