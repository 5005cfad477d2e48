import { RECORD_SIZE, TAR_TYPE } from "../../src/go/tar-header.ts";
import { BLOCK_SIZE, isStored, type LayerTar, type TarIndex, type TouchedFile } from "../protocol.ts";
import { entriesBetween, type IndexedEntry } from "../scan/tar-index.ts";
import { encodeHeader } from "../tar/encode.ts";
import { type FilePart, readPart } from "./file-contents.ts";
import { readStored } from "./spool.ts";

/** Reused: one buffer per file would leave megabytes of garbage in a thread. */
const record = Buffer.alloc(RECORD_SIZE);

/**
 * Builds one block of a layer's tar: a pure function of the index and the files it names, or of the stored tar.
 * @param into receives exactly the block's bytes; its previous contents do not matter
 * @returns files touched since the scan; if one has parts in other blocks, all parts must be of one version
 * @throws Fault naming a file that was replaced or modified since the scan
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

function copyHeader(entry: IndexedEntry, from: number, into: Buffer, filled: number): number {
  const start = entry.offset - from;
  const end = start + entry.headerSize;
  if (end <= 0) return filled;
  into.fill(0, filled, Math.max(filled, start));
  const header = encodeHeader(entry, record);
  const copied = header.copy(into, Math.max(0, start), Math.max(0, -start));
  return Math.max(0, start) + copied;
}

function partIn(entry: IndexedEntry, { contentPath }: TarIndex, from: number, into: Buffer): FilePart | undefined {
  const start = entry.offset + entry.headerSize - from;
  const begin = Math.max(0, start);
  const end = Math.min(start + entry.size, into.length);
  const isEmptyHere = entry.size === 0 && start > 0 && start <= into.length;
  if (end <= begin && !isEmptyHere) return undefined;
  return { entry, contentPath, position: begin - start, into, begin, end };
}
