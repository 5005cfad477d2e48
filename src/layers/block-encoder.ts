import { constants, deflateRawSync } from "node:zlib";
import { type Arena, type ArenaNeeds, BLOCK_SIZE, outputBytes, rawBytes } from "./arena.ts";

/** Compresses blocks where they lie. One per thread; it may keep a scratch region of the arena to itself. */
export interface BlockEncoder {
  /**
   * Compresses the first `length` bytes of a slot's tar into its output: raw DEFLATE blocks, none of them final, ending on
   * a byte boundary. The bytes written depend on the input alone.
   * @returns bytes written
   */
  encode(slot: number, length: number): number;
}

/** What zlib may write for a block: stored blocks at worst, and the flush at its end. */
export const ZLIB_NEEDS: ArenaNeeds = { outputCapacity: BLOCK_SIZE + (1 << 14), scratch: 0 };

/** Node's zlib. Its best settings for speed: a chunk that takes the whole output, and the largest hash table. */
export function zlibEncoder(arena: Arena, level: number): BlockEncoder {
  const options = {
    level,
    memLevel: 9,
    chunkSize: ZLIB_NEEDS.outputCapacity,
    finishFlush: constants.Z_SYNC_FLUSH,
  };
  return {
    encode(slot, length) {
      const compressed = deflateRawSync(rawBytes(arena, slot, length), options);
      return compressed.copy(outputBytes(arena, slot, compressed.length));
    },
  };
}
