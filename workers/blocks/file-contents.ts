import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { Fault } from "../../src/errors/fault.ts";
import { type ByteString, fromByteString, fsPath } from "../../src/go/byte-string.ts";
import { isNotExist, isSystemError, pathFault } from "../../src/go/errno.ts";
import { changedFault, type TouchedFile, UNREADABLE_CONTENTS } from "../protocol.ts";
import type { FileIdentity, IndexedEntry } from "../scan/tar-index.ts";

export interface FilePart {
  readonly entry: IndexedEntry;
  readonly contentPath: ByteString | undefined;
  readonly position: number;
  /** Receives the part from `begin` to `end`. The byte after `end` may be overwritten. */
  readonly into: Buffer;
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads part of a file that the scan saw. The part of an empty file is empty; it is opened because it may have grown.
 *
 * If only the file's times have changed since the scan, it is read twice: equal bytes are those of one version. The
 * caller compares a file that is read in several parts once all are read.
 * @returns the file if its times have changed
 * @throws Fault naming the file if it was replaced, has another size, is being written to, or does not have the size
 * that it reports
 */
export function readPart(part: FilePart): TouchedFile | undefined {
  const { entry, contentPath } = part;
  const path = contentPath ?? entry.name;
  const file = openContents(entry.name, contentPath);
  try {
    fill(file, part, path);
    // After the read, so that no change between the scan and the read goes unnoticed.
    if (isSameVersion(entry, check(entry, path, fstatSync(file)))) return undefined;
    const { begin, end } = part;
    if (end - begin === entry.size) compare(file, part, path);
    return { path, start: entry.offset + entry.headerSize, size: entry.size };
  } catch (error) {
    if (!isSystemError(error)) throw error;
    // A device or FIFO in the file's place may not support reads at an offset.
    check(entry, path, fstatSync(file));
    throw unreadable("read", path, error);
  } finally {
    closeSync(file);
  }
}

/** Ignores inode numbers: FUSE file systems may assign new ones at each lookup. */
export function isSameVersion(one: FileIdentity, other: FileIdentity): boolean {
  return one.mtimeMs === other.mtimeMs && one.ctimeMs === other.ctimeMs;
}

function compare(file: number, part: FilePart, path: ByteString): void {
  const bytes = part.into.subarray(part.begin, part.end);
  const again = { ...part, into: Buffer.allocUnsafe(bytes.length), begin: 0, end: bytes.length };
  fill(file, again, path);
  if (!again.into.equals(bytes)) throw changedFault(path, "was written to");
}

function fill(file: number, { entry, position, into, begin, end }: FilePart, path: ByteString): void {
  const isLast = position + end - begin === entry.size;
  const limit = isLast && end < into.length ? end + 1 : end;
  let at = begin;
  do {
    const read = readSync(file, into, at, limit - at, position + at - begin);
    if (read === 0) break;
    at += read;
  } while (at < end);
  const isLonger = at > end || (isLast && limit === end && hasByte(file, entry.size));
  if (at >= end && !isLonger) return;
  check(entry, path, fstatSync(file));
  if (isLonger) throw wrongSize(path, "write too long");
  throw wrongSize(path, `missed writing ${entry.size - readableSize(file, entry.size)} bytes`);
}

function hasByte(file: number, position: number): boolean {
  return readSync(file, Buffer.alloc(1), 0, 1, position) > 0;
}

function readableSize(file: number, reported: number): number {
  let [low, high] = [0, reported];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (hasByte(file, middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Opens a file that should be a regular one: a FIFO in its place must not block. A regular file on which another
 * process, such as a file server, holds a lease cannot be opened like this (open(2), EAGAIN). A thread waits for it.
 * @throws the error of open(2)
 */
export function openToRead(path: ByteString, followsLink: boolean): number {
  const flags = constants.O_RDONLY | (followsLink ? 0 : constants.O_NOFOLLOW);
  try {
    return openSync(fsPath(path), flags | constants.O_NONBLOCK);
  } catch (error) {
    if (!isSystemError(error, "EAGAIN") || isMainThread) throw error;
    return openSync(fsPath(path), flags);
  }
}

function openContents(name: ByteString, contentPath: ByteString | undefined): number {
  const path = contentPath ?? name;
  try {
    return waitForDescriptor(() => openToRead(path, contentPath !== undefined));
  } catch (error) {
    if (isNotExist(error)) throw changedFault(path, "was removed");
    if (isSystemError(error, "ELOOP")) throw changedFault(path, "was replaced by a symlink");
    throw unreadable("open", path, error);
  }
}

function unreadable(operation: "open" | "read", path: ByteString, error: unknown): Fault {
  const file = fromByteString(path);
  return pathFault(UNREADABLE_CONTENTS, operation, file, error, { destination: file });
}

function wrongSize(path: ByteString, problem: string): Fault {
  const file = fromByteString(path);
  return new Fault(UNREADABLE_CONTENTS, `read ${file}: archive/tar: ${problem}`, {
    destination: file,
    hint: "Remove the file from the build's output, or copy its contents to a regular file: its size differs from what its file system reports, as in /proc and /sys.",
  });
}

function check(entry: IndexedEntry, path: ByteString, stats: Stats): FileIdentity {
  if (!stats.isFile()) throw changedFault(path, "was replaced");
  if (stats.size !== entry.size) throw changedFault(path, `had ${entry.size} bytes and now has ${stats.size}`);
  return stats;
}

const PAUSE_MS = 10;
const MAX_WAIT_MS = 10_000;

/** While there are too many open files, blocks a worker thread until the process has closed others. */
export function waitForDescriptor<T>(open: () => T): T {
  if (isMainThread) return open();
  for (let waitedMs = 0; ; waitedMs += PAUSE_MS) {
    try {
      return open();
    } catch (error) {
      if (!isSystemError(error, "EMFILE", "ENFILE") || waitedMs >= MAX_WAIT_MS) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }
}
