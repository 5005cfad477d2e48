import { inputSlackBytes } from "./deflate/wasm-encoder.ts";

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
