import { BLOCK_SIZE } from "../../../src/layers/arena.ts";
import { blockCount, blockLength, buildBlock } from "../../../src/layers/block.ts";
import { entriesBetween, type IndexedEntry, type TarIndex } from "../../../src/layers/tar-index.ts";

/** The whole tar of an index, made block by block. Every block starts out dirty. */
export function wholeTar(index: TarIndex): Buffer {
  const tar = Buffer.alloc(index.tarSize, 0xaa);
  for (let block = 0; block < blockCount(index); block++) {
    const start = block * BLOCK_SIZE;
    buildBlock(index, block, tar.subarray(start, start + blockLength(index, block)));
  }
  return tar;
}

/** All entries of an index. */
export function allEntries(index: TarIndex): IndexedEntry[] {
  return [...entriesBetween(index, 0, index.tarSize)];
}
