import { BLOCK_SIZE } from "./arena.ts";
import { type FilePart, readPart, type TouchedFile } from "./file-contents.ts";
import { isStored, type LayerTar, readStored } from "./stored-tar.ts";
import { RECORD_SIZE } from "./tar-fields.ts";
import { renderHeader, TAR_TYPE } from "./tar-header.ts";
import { entriesBetween, type IndexedEntry, partOf, type TarIndex } from "./tar-index.ts";

/** A buffer for each of a layer's files would leave a thread with megabytes of garbage. */
const record = Buffer.alloc(RECORD_SIZE);

/** How many blocks a tar has. */
export function blockCount({ tarSize }: Pick<LayerTar, "tarSize">): number {
  return Math.ceil(tarSize / BLOCK_SIZE);
}

/** Bytes of tar in one block: all have {@link BLOCK_SIZE}, the last has the rest. */
export function blockLength({ tarSize }: Pick<LayerTar, "tarSize">, block: number): number {
  return Math.min(BLOCK_SIZE, tarSize - block * BLOCK_SIZE);
}

/** What of a tar a thread needs to make one block. */
export function blockSource(tar: LayerTar, block: number): LayerTar {
  return isStored(tar) ? tar : partOf(tar, block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE);
}

/**
 * Makes one block of a layer's tar: a pure function of the index and the files it names, or of the tar where that is stored.
 * @param into receives exactly the block's bytes; what it held before does not matter
 * @returns files that were touched since the scan: of one that has parts in other blocks, all parts must be of one version
 * @throws Fault naming the file when one is not what the scan saw
 */
export function buildBlock(tar: LayerTar, block: number, into: Buffer): readonly TouchedFile[] {
  const from = block * BLOCK_SIZE;
  if (!isStored(tar)) return buildRange(tar, from, into);
  readStored(tar, from, into);
  return [];
}

function buildRange(index: TarIndex, from: number, into: Buffer): readonly TouchedFile[] {
  const to = from + into.length;
  const touched: TouchedFile[] = [];
  let filled = 0;
  for (const entry of entriesBetween(index, from, to)) {
    filled = copyHeader(entry, from, into, filled);
    if (entry.type !== TAR_TYPE.file) continue;
    const part = partIn(entry, index, from, into);
    if (part === undefined) continue;
    const found = readPart(part);
    if (found !== undefined) touched.push(found);
    filled = part.end;
  }
  into.fill(0, filled);
  return touched;
}

/** Copies what of the header lies in the block. Returns the end of what is filled. */
function copyHeader(entry: IndexedEntry, from: number, into: Buffer, filled: number): number {
  const start = entry.offset - from;
  const end = start + entry.headerSize;
  if (end <= 0) return filled;
  into.fill(0, filled, Math.max(filled, start));
  const header = renderHeader(entry, record);
  const copied = header.copy(into, Math.max(0, start), Math.max(0, -start));
  return Math.max(0, start) + copied;
}

/**
 * What of the contents lies in the block; padding follows by the next fill. The contents of an empty file lie where its header
 * ends.
 */
function partIn(entry: IndexedEntry, { contentPath }: TarIndex, from: number, into: Buffer): FilePart | undefined {
  const start = entry.offset + entry.headerSize - from;
  const begin = Math.max(0, start);
  const end = Math.min(start + entry.size, into.length);
  const isEmptyHere = entry.size === 0 && start > 0 && start <= into.length;
  if (end <= begin && !isEmptyHere) return undefined;
  return { entry, contentPath, position: begin - start, into, begin, end };
}
