import { readSync } from "node:fs";
import { Fault, messageOf } from "../../src/errors/fault.ts";
import { BLOCK_SIZE } from "../protocol.ts";
import { RECORD_SIZE, renderHeader, TAR_TYPE } from "../tar/header.ts";
import { entriesBetween, type IndexedEntry, partOf, type TarIndex } from "../tar-index.ts";
import { type FilePart, readPart, type TouchedFile } from "./file-contents.ts";

/** A layer's tar that lies in a spool file as it is. Threads of a process share descriptors. */
export interface StoredTar {
  readonly fileDescriptor: number;
  /** Length of the tar in bytes, its trailer included. */
  readonly tarSize: number;
}

/** Where any thread gets any part of a layer's tar from: made from its index, or read from where it lies. */
export type LayerTar = TarIndex | StoredTar;

export function isStored(tar: LayerTar): tar is StoredTar {
  return "fileDescriptor" in tar;
}

/** Reads the bytes from `position` that fill `into`. */
export function readStored({ fileDescriptor }: StoredTar, position: number, into: Buffer): void {
  for (let at = 0; at < into.length; ) {
    const read = readOnce(fileDescriptor, position + at, into.subarray(at));
    if (read === 0) throw new Fault("EXPORT_LAYER_SPOOL", "the spool file is shorter than what was written to it");
    at += read;
  }
}

function readOnce(file: number, position: number, into: Buffer): number {
  try {
    return readSync(file, into, 0, into.length, position);
  } catch (error) {
    throw new Fault("EXPORT_LAYER_SPOOL", `failed to read a layer's tar from the spool: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

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
