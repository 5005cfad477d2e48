import { constants, lstatSync, readdirSync, readlinkSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path/posix";
import { pathFault } from "../faults/system-error.ts";
import { type ByteString, fromByteString, fsPath, joinPath } from "../oci/byte-string.ts";
import { TAR_TYPE, type TarType } from "./tar-header.ts";
import type { ScannedEntry } from "./tar-index.ts";

/** Owner written into the tar; undefined keeps what is on disk (contract 3.4). */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const TYPE_OF: ReadonlyMap<number, TarType> = new Map([
  [constants.S_IFREG, TAR_TYPE.file],
  [constants.S_IFLNK, TAR_TYPE.symlink],
  [constants.S_IFCHR, TAR_TYPE.charDevice],
  [constants.S_IFBLK, TAR_TYPE.blockDevice],
  [constants.S_IFDIR, TAR_TYPE.directory],
  [constants.S_IFIFO, TAR_TYPE.fifo],
]);

/**
 * The entry of a path from its stat (contract 3.3); undefined for a socket, which the reference skips silently.
 * Reads the target of a symlink.
 */
export function scanEntry(path: ByteString, stats: Stats, owner: Owner | undefined): ScannedEntry | undefined {
  const type = TYPE_OF.get(stats.mode & constants.S_IFMT);
  if (type === undefined) return undefined;
  const isDevice = type === TAR_TYPE.charDevice || type === TAR_TYPE.blockDevice;
  return {
    name: path,
    type,
    mode: stats.mode & 0o7777,
    uid: owner?.uid ?? stats.uid,
    gid: owner?.gid ?? stats.gid,
    size: type === TAR_TYPE.file ? stats.size : 0,
    linkName: type === TAR_TYPE.symlink ? readLink(path) : "",
    deviceMajor: isDevice ? deviceMajor(stats.rdev) : 0,
    deviceMinor: isDevice ? deviceMinor(stats.rdev) : 0,
    mtimeMs: stats.mtimeMs,
    inode: stats.ino,
  };
}

/** Linux's split of a device number: 12 low bits of the major above 8 bits of the minor, the rest above those. */
function deviceMajor(rdev: number): number {
  const bits = BigInt(rdev);
  return Number(((bits >> 8n) & 0xfffn) | ((bits >> 32n) & 0xfffff000n));
}

function deviceMinor(rdev: number): number {
  const bits = BigInt(rdev);
  return Number((bits & 0xffn) | ((bits >> 12n) & 0xffffff00n));
}

function readLink(path: ByteString): ByteString {
  try {
    return readlinkSync(fsPath(path), { encoding: "latin1" });
  } catch (error) {
    throw pathFault("EXPORT_LAYER_READ", "readlink", fromByteString(path), error);
  }
}

/** lstat with the reference's error text. */
export function lstat(path: ByteString): Stats {
  try {
    return lstatSync(fsPath(path));
  } catch (error) {
    throw pathFault("EXPORT_LAYER_READ", "lstat", fromByteString(path), error);
  }
}

/** The names in a directory in byte order. */
export function readDirectory(path: ByteString): ByteString[] {
  try {
    return readdirSync(fsPath(path), { encoding: "latin1" }).sort();
  } catch (error) {
    throw pathFault("EXPORT_LAYER_READ", "open", fromByteString(path), error);
  }
}

/**
 * The parents of a path from the top, without `/`: each with its own mode and owner, symlinks followed (contract 3.4).
 */
export function scanParents(path: ByteString): ScannedEntry[] {
  const parents: ScannedEntry[] = [];
  for (let parent = dirname(path); parent !== "/" && parent !== "."; parent = dirname(parent)) {
    let stats: Stats;
    try {
      stats = statSync(fsPath(parent));
    } catch (error) {
      throw pathFault("EXPORT_LAYER_READ", "stat", fromByteString(parent), error);
    }
    const entry = scanEntry(parent, stats, undefined);
    if (entry !== undefined) parents.unshift(entry);
  }
  return parents;
}

/** A path of a walk. `depth` is 0 for the root. */
export interface WalkedPath {
  readonly path: ByteString;
  readonly stats: Stats;
  readonly depth: number;
}

/**
 * Go's `filepath.Walk`: lstat, then the path itself, then the children in byte order of their names, each with all that
 * is below it; symlinks are not followed. So `a`, `a/x`, `a.txt`.
 */
export function* walk(root: ByteString): Generator<WalkedPath> {
  const stack: { path: ByteString; depth: number }[] = [{ path: root, depth: 0 }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const stats = lstat(next.path);
    yield { path: next.path, stats, depth: next.depth };
    if (!stats.isDirectory()) continue;
    const names = readDirectory(next.path);
    for (let i = names.length - 1; i >= 0; i--)
      stack.push({ path: joinPath(next.path, names[i] as ByteString), depth: next.depth + 1 });
  }
}
