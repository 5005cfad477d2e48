import { TAR_TYPE } from "../../../src/go/tar-header.ts";
import { buildBlock } from "../../../workers/blocks/block.ts";
import { BLOCK_SIZE, blockCount, blockLength, type TarIndex } from "../../../workers/protocol.ts";
import { entriesBetween, type IndexedEntry, type ScannedEntry } from "../../../workers/scan/tar-index.ts";

/** Builds the whole tar of an index block by block. Every block starts out dirty. */
export function wholeTar(index: TarIndex): Buffer {
  const tar = Buffer.alloc(index.tarSize, 0xaa);
  for (let block = 0; block < blockCount(index); block++) {
    const start = block * BLOCK_SIZE;
    buildBlock(index, block, tar.subarray(start, start + blockLength(index, block)));
  }
  return tar;
}

export function allEntries(index: TarIndex): IndexedEntry[] {
  return [...entriesBetween(index, 0, index.tarSize)];
}

/** A scanned empty file 0644 0:0, with overrides. */
export function madeEntry(name: string, rest: Partial<ScannedEntry> = {}): ScannedEntry {
  return {
    name,
    type: TAR_TYPE.file,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    linkName: "",
    deviceMajor: 0,
    deviceMinor: 0,
    mtimeMs: 0,
    ctimeMs: 0,
    ...rest,
  };
}
