import { constants, lstatSync, readlinkSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path/posix";
import { type ByteString, fromByteString, fsPath, joinPath } from "../../src/go/byte-string.ts";
import { isNotExist, pathFault } from "../../src/go/errno.ts";
import { TAR_TYPE, type TarType } from "../../src/go/tar-header.ts";
import { isSameVersion } from "../blocks/file-contents.ts";
import { CACHE_STAGING, changedFault } from "../protocol.ts";
import { type DirectoryNames, readNames, tooMany } from "./directory-names.ts";
import { isDevice, type ScannedEntry } from "./tar-index.ts";

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
 * The entry of a path (docs/compatibility.md#tar-entries), or undefined for a socket, which the reference skips
 * silently. Reads the target of a symlink.
 * @param owner undefined keeps the owner on disk
 */
export function scanEntry(path: ByteString, stats: Stats, owner: Owner | undefined): ScannedEntry | undefined {
  const type = TYPE_OF.get(stats.mode & constants.S_IFMT);
  if (type === undefined) return undefined;
  return {
    name: path,
    type,
    mode: stats.mode & 0o7777,
    uid: owner?.uid ?? stats.uid,
    gid: owner?.gid ?? stats.gid,
    size: type === TAR_TYPE.file ? stats.size : 0,
    linkName: type === TAR_TYPE.symlink ? readLink(path) : "",
    deviceMajor: isDevice(type) ? deviceMajor(stats.rdev) : 0,
    deviceMinor: isDevice(type) ? deviceMinor(stats.rdev) : 0,
    mtimeMs: stats.mtimeMs,
    ctimeMs: stats.ctimeMs,
  };
}

function deviceMajor(rdev: number): number {
  const bits = BigInt(rdev);
  return Number(((bits >> 8n) & 0xfffn) | ((bits >> 32n) & 0xfffff000n));
}

function deviceMinor(rdev: number): number {
  const bits = BigInt(rdev);
  return Number((bits & 0xffn) | ((bits >> 12n) & 0xffffff00n));
}

export function readLink(path: ByteString): ByteString {
  try {
    return readlinkSync(fsPath(path), { encoding: "latin1" });
  } catch (error) {
    throw pathFault("EXPORT_LAYER_READ", "readlink", fromByteString(path), error);
  }
}

export function lstat(path: ByteString, wasThere: boolean): Stats {
  try {
    return lstatSync(fsPath(path));
  } catch (error) {
    const code = wasThere && isNotExist(error) ? "EXPORT_LAYER_CHANGED" : "EXPORT_LAYER_READ";
    throw pathFault(code, "lstat", fromByteString(path), error);
  }
}

/**
 * The parents of a path from the top, without `/`, each with its mode and owner on disk. Follows symlinks
 * (docs/compatibility.md#entry-order-and-owners).
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

export interface WalkedPath {
  readonly path: ByteString;
  readonly stats: Stats;
  readonly number: number;
  readonly parent: number;
}

/**
 * `walk` is the order of Go's `filepath.Walk`, which enters a directory at once (`a`, `a/x`, `a-b`); `path` is the byte
 * order of all full paths (`a`, `a-b`, `a/x`).
 */
export type WalkOrder = "walk" | "path";

/**
 * Walks a tree without following symlinks. Holds only the names in the directories above the current path.
 * @throws Fault if a path cannot be read, or a directory is replaced during the walk; RangeError or Fault if there are
 * more than `maxEntries` paths
 */
export function* walk(root: ByteString, order: WalkOrder = "walk", maxEntries?: number): Generator<WalkedPath> {
  let count = 0;
  const visit = (path: ByteString, parent: number): WalkedPath => {
    if (count === maxEntries) throw tooMany(maxEntries);
    return { path, stats: lstat(path, path !== root), number: count++, parent };
  };
  const top = visit(root, 0);
  yield top;
  const open = top.stats.isDirectory() ? [new OpenDirectory(top, maxEntries)] : [];
  for (let directory = open.at(-1); directory !== undefined; directory = open.at(-1)) {
    const inner = directory.takeWaiting(order);
    const name = inner === undefined ? directory.takeName() : undefined;
    if (name === CACHE_STAGING) continue;
    if (inner !== undefined) open.push(new OpenDirectory(inner, maxEntries));
    else if (name !== undefined) {
      const walked = visit(joinPath(directory.path, name), directory.number);
      yield walked;
      if (walked.stats.isDirectory()) directory.wait(walked, name);
    } else {
      directory.check();
      open.pop();
    }
  }
}

class OpenDirectory {
  readonly path: ByteString;
  readonly number: number;
  readonly #stats: Stats;
  readonly #names: DirectoryNames;
  readonly #waiting: { readonly walked: WalkedPath; readonly name: ByteString }[] = [];

  constructor({ path, number, stats }: WalkedPath, maxNames: number | undefined) {
    this.path = path;
    this.number = number;
    this.#stats = stats;
    this.#names = readNames(path, stats.size, maxNames);
    this.check();
  }

  takeName(): ByteString | undefined {
    return this.#names.take();
  }

  wait(walked: WalkedPath, name: ByteString): void {
    this.#waiting.push({ walked, name });
  }

  takeWaiting(order: WalkOrder): WalkedPath | undefined {
    const waiting = this.#waiting.at(-1);
    if (waiting === undefined) return undefined;
    const { next } = this.#names;
    if (order === "path" && next !== undefined && next < `${waiting.name}/`) return undefined;
    this.#waiting.pop();
    return waiting.walked;
  }

  /**
   * A symlink in the place of the directory would lead the walk out of the tree.
   * @throws Fault if the directory was replaced
   */
  check(): void {
    const stats = lstat(this.path, true);
    // File systems with synthetic inode numbers keep the times.
    if (stats.isDirectory() && (stats.ino === this.#stats.ino || isSameVersion(stats, this.#stats))) return;
    throw changedFault(this.path, stats.isSymbolicLink() ? "was replaced by a symlink" : "was replaced");
  }
}
