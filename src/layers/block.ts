import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import type { Fault } from "../faults/fault.ts";
import { isSystemError, pathFault } from "../faults/system-error.ts";
import { type ByteString, fromByteString, fsPath } from "../oci/byte-string.ts";
import { BLOCK_SIZE } from "./arena.ts";
import { changedFault } from "./changed-fault.ts";
import { isStored, type LayerTar, readStored } from "./stored-tar.ts";
import { renderHeader, TAR_TYPE } from "./tar-header.ts";
import { entriesBetween, type IndexedEntry, partOf, type TarIndex } from "./tar-index.ts";

/** The code of a fault of a file that cannot be read; its destination is the file's path. */
export const UNREADABLE_CONTENTS = "EXPORT_LAYER_CONTENTS";

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
 * Makes one block of a layer's tar: a pure function of the index and the files it names (design, idea 2), or of the tar
 * where that is stored.
 * @param into receives exactly the block's bytes; what it held before does not matter
 * @throws Fault naming the file when one is not what the scan saw
 */
export function buildBlock(tar: LayerTar, block: number, into: Buffer): void {
  const from = block * BLOCK_SIZE;
  if (isStored(tar)) readStored(tar, from, into);
  else buildRange(tar, from, into);
}

function buildRange(index: TarIndex, from: number, into: Buffer): void {
  const to = from + into.length;
  let filled = 0;
  for (const entry of entriesBetween(index, from, to)) {
    filled = copyHeader(entry, from, into, filled);
    if (entry.type === TAR_TYPE.file) filled = copyContents(entry, index.contentPath, from, into, filled);
  }
  into.fill(0, filled);
}

/** Copies what of the header lies in the block. Returns the end of what is filled. */
function copyHeader(entry: IndexedEntry, from: number, into: Buffer, filled: number): number {
  const start = entry.offset - from;
  const end = start + entry.headerSize;
  if (end <= 0) return filled;
  into.fill(0, filled, Math.max(filled, start));
  const header = renderHeader(entry);
  const copied = header.copy(into, Math.max(0, start), Math.max(0, -start));
  return Math.max(0, start) + copied;
}

/**
 * Reads what of the contents lies in the block. Returns the end of what is filled; padding follows by the next fill.
 * A file without contents is looked at where its header ends, since it may have some by now.
 */
function copyContents(
  entry: IndexedEntry,
  contentPath: ByteString | undefined,
  from: number,
  into: Buffer,
  filled: number,
): number {
  const start = entry.offset + entry.headerSize - from;
  const end = Math.min(start + entry.size, into.length);
  const begin = Math.max(0, start);
  const isEmptyHere = entry.size === 0 && start > 0 && start <= into.length;
  if (end <= begin && !isEmptyHere) return filled;
  const file = openContents(entry.name, contentPath);
  readRange(file, entry, contentPath ?? entry.name, into, begin, end, begin - start);
  return end;
}

function readRange(
  file: number,
  entry: IndexedEntry,
  path: ByteString,
  into: Buffer,
  begin: number,
  end: number,
  position: number,
): void {
  try {
    let at = begin;
    while (at < end) {
      const read = readSync(file, into, at, end - at, position + at - begin);
      if (read === 0) throw changedFault(path, `shrank below its ${entry.size} bytes`);
      at += read;
    }
    // After the read, so that a change between scan and read cannot slip in between the two.
    checkUnchangedFault(entry, path, fstatSync(file));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    // What took the file's place may not be readable at an offset at all.
    checkUnchangedFault(entry, path, fstatSync(file));
    throw unreadable("read", path, error);
  } finally {
    closeSync(file);
  }
}

/** O_NONBLOCK: a FIFO in the place of a file must not be waited for; it does nothing to a regular file. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** An entry's own file was lstat'ed as a regular one, so a symlink in its place is a change; another path was stat'ed. */
function openContents(name: ByteString, contentPath: ByteString | undefined): number {
  const path = contentPath ?? name;
  try {
    return openSync(fsPath(path), contentPath === undefined ? OPEN_FLAGS | constants.O_NOFOLLOW : OPEN_FLAGS);
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") throw changedFault(path, "was removed");
    if (isSystemError(error) && error.code === "ELOOP") throw changedFault(path, "was replaced by a symlink");
    throw unreadable("open", path, error);
  }
}

function unreadable(operation: "open" | "read", path: ByteString, error: unknown): Fault {
  const file = fromByteString(path);
  return pathFault(UNREADABLE_CONTENTS, operation, file, error, { destination: file });
}

function checkUnchangedFault(entry: IndexedEntry, path: ByteString, stats: Stats): void {
  if (!stats.isFile() || stats.ino !== entry.inode) throw changedFault(path, "was replaced");
  if (stats.size !== entry.size) throw changedFault(path, `had ${entry.size} bytes and now has ${stats.size}`);
  if (stats.mtimeMs !== entry.mtimeMs) throw changedFault(path, "was written to");
}
