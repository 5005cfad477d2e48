import { createHash } from "node:crypto";
import { type BigIntStats, lstatSync } from "node:fs";
import { type ByteString, fsPath, joinPath } from "../../src/go/byte-string.ts";
import type { StampedScan, StampedScanTask, TreeStamp } from "../protocol.ts";
import { readNames } from "./directory-names.ts";
import { type TreeObserver, treeEntries } from "./scan.ts";
import { buildTarIndex, type ScannedEntry } from "./tar-index.ts";
import { type Owner, readLink, scanParents } from "./walk.ts";

/** Paths per update of the hashes: one update per path would take longer than its lstat. */
const CHUNK = 1024;

/** Numbers of a path that {@link TreeStamper} takes from lstat(2). */
const STAT_NUMBERS = 10;

export function scanStamped(source: StampedScanTask["source"], maxEntries?: number): StampedScan {
  const stamper = new TreeStamper(source);
  const index = buildTarIndex(treeEntries(source.path, source, "walk", maxEntries, stamper));
  return { index, stamp: stamper.finish() };
}

/** The same stamp without the index, with one lstat per path: half the work. */
export function stampTree(source: StampedScanTask["source"]): TreeStamp {
  const stamper = new TreeStamper(source);
  for (const parent of scanParents(source.path)) stamper.addParent(parent);
  stampPath(source.path, stamper);
  return stamper.finish();
}

/** Below a directory that is replaced by a link meanwhile, inode numbers differ. */
function stampPath(path: ByteString, stamper: TreeStamper): void {
  const stats = stamper.look(path);
  if (stats === undefined) return;
  stamper.addStats(path, stats, stats.isSymbolicLink() ? readLink(path) : "");
  if (!stats.isDirectory()) return;
  const names = readNames(path, Number(stats.size));
  for (let name = names.take(); name !== undefined; name = names.take()) stampPath(joinPath(path, name), stamper);
}

/**
 * Stamps a tree during its scan: everything that lstat shows of every path, in nanoseconds and with whole inode
 * numbers, and what the tar has of the directories above. Times are not part of a tar, and those of the directories
 * above change with their other entries.
 */
class TreeStamper implements TreeObserver {
  readonly #nameHash = createHash("sha256");
  readonly #numberHash = createHash("sha256");
  readonly #devices = new Set<bigint>();
  /** By inode number, how many names of a file are still to be found in the tree. */
  readonly #missingNames = new Map<bigint, bigint>();
  readonly #inodes: bigint[] = [];
  readonly #numbers = new BigInt64Array(CHUNK * STAT_NUMBERS);
  #names = "";
  #count = 0;
  #changedNs = 0n;
  #isWhole = true;

  constructor({ uid, gid }: Owner) {
    this.#nameHash.update(`${uid}\0${gid}\0`);
  }

  addParent({ name, mode, uid, gid }: ScannedEntry): void {
    this.#nameHash.update(`${name}\0${mode}\0${uid}\0${gid}\0`, "latin1");
  }

  add(path: ByteString, linkName: ByteString): void {
    const stats = this.look(path);
    if (stats !== undefined) this.addStats(path, stats, linkName);
  }

  look(path: ByteString): BigIntStats | undefined {
    const stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
    // The pass over the tree reports a path that is gone.
    if (stats === undefined) this.#isWhole = false;
    return stats;
  }

  addStats(path: ByteString, stats: BigIntStats, linkName: ByteString): void {
    const { mode, uid, gid, size, dev, ino, nlink, rdev, mtimeNs, ctimeNs } = stats;
    this.#names += `${path}\0${linkName}\0`;
    // Formatting the numbers as text would take as long as their lstat.
    this.#numbers.set([mode, uid, gid, size, dev, ino, nlink, rdev, mtimeNs, ctimeNs], this.#count * STAT_NUMBERS);
    this.#count += 1;
    if (this.#count === CHUNK) this.#flush();
    this.#devices.add(dev);
    if (stats.isFile()) this.#inodes.push(ino);
    if (nlink > 1n && !stats.isDirectory()) this.#missingNames.set(ino, (this.#missingNames.get(ino) ?? nlink) - 1n);
    if (ctimeNs > this.#changedNs) this.#changedNs = ctimeNs;
  }

  finish(): TreeStamp {
    this.#flush();
    return {
      digest: `${this.#nameHash.digest("hex")}${this.#numberHash.digest("hex")}`,
      changedMs: this.#isWhole ? Math.ceil(Number(this.#changedNs) / 1e6) : Number.POSITIVE_INFINITY,
      isSelfContained: this.#devices.size <= 1 && [...this.#missingNames.values()].every((names) => names === 0n),
      inodes: BigUint64Array.from(this.#inodes),
    };
  }

  #flush(): void {
    this.#nameHash.update(this.#names, "latin1");
    this.#numberHash.update(this.#numbers.subarray(0, this.#count * STAT_NUMBERS));
    this.#names = "";
    this.#count = 0;
  }
}
