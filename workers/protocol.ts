import type { MessagePort } from "node:worker_threads";
import type { WireFault } from "../src/errors/wire.ts";
import type { BlockTimes } from "../src/observe/span-sink.ts";
import type { LocalSource } from "../src/plan/layers.ts";
import type { LayerTar } from "./blocks/block.ts";
import type { Compression } from "./blocks/encoder.ts";
import type { TouchedFile } from "./blocks/file-contents.ts";
import { inputSlackBytes } from "./deflate/wasm-encoder.ts";
import type { ForeignBlob } from "./tar/copy.ts";
import type { TarIndex } from "./tar-index.ts";

/**
 * Bytes of tar in a block. Part of the blob's identity: another size changes every digest
 * (docs/decisions/0003-one-gzip-member.md).
 */
export const BLOCK_SIZE = 1 << 20;

const WASM_PAGE = 1 << 16;

/** What an encoder asks of the memory that blocks are built in. Sizes in bytes. */
export interface ArenaNeeds {
  /** Most bytes that it writes for a block of {@link BLOCK_SIZE}. */
  readonly outputCapacity: number;
  /** Private working memory of each thread. */
  readonly scratch: number;
}

/**
 * One shared memory for all threads: slots, each with room for a block's tar bytes and its compressed bytes, and a
 * scratch region for each compressing thread. A block is read, compressed, hashed and written from where it lies. It is a
 * WebAssembly memory so that an encoder in WebAssembly works in place.
 */
export interface Arena {
  readonly memory: WebAssembly.Memory;
  readonly slots: number;
  readonly threads: number;
  readonly needs: ArenaNeeds;
  /** Counts the threads that took a scratch region. */
  readonly taken: Int32Array;
}

function slotSize(needs: ArenaNeeds): number {
  return align(inputSlackBytes + BLOCK_SIZE + inputSlackBytes) + align(needs.outputCapacity);
}

function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

/** Allocates the memory; the first page stays free for an encoder's constants. */
export function createArena(slots: number, threads: number, needs: ArenaNeeds): Arena {
  const bytes = WASM_PAGE + slots * slotSize(needs) + threads * align(needs.scratch);
  const pages = Math.ceil(bytes / WASM_PAGE) + 1;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return { memory, slots, threads, needs, taken: new Int32Array(new SharedArrayBuffer(4)) };
}

/** Offset in the arena of the tar bytes of a slot. */
export function rawOffset(arena: Arena, slot: number): number {
  return WASM_PAGE + slot * slotSize(arena.needs) + inputSlackBytes;
}

/** Offset in the arena of the compressed bytes of a slot. */
export function outputOffset(arena: Arena, slot: number): number {
  return WASM_PAGE + slot * slotSize(arena.needs) + align(inputSlackBytes + BLOCK_SIZE + inputSlackBytes);
}

/** Offset of a scratch region that no other thread has. Each thread asks once. */
export function takeScratch(arena: Arena): number {
  const index = Atomics.add(arena.taken, 0, 1);
  if (index >= arena.threads) throw new RangeError("more compressing threads than the arena was made for");
  return WASM_PAGE + arena.slots * slotSize(arena.needs) + index * align(arena.needs.scratch);
}

/** The tar bytes of a slot. */
export function rawBytes(arena: Arena, slot: number, length: number): Buffer {
  return Buffer.from(arena.memory.buffer, rawOffset(arena, slot), length);
}

/** The compressed bytes of a slot. */
export function outputBytes(arena: Arena, slot: number, length: number): Buffer {
  return Buffer.from(arena.memory.buffer, outputOffset(arena, slot), length);
}

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
