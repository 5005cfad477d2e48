import { createHash } from "node:crypto";
import { lstatSync } from "node:fs";
import { type ByteString, fsPath } from "../../src/go/byte-string.ts";
import type { StampedScan, StampedScanTask, TreeStamp } from "../protocol.ts";
import { type TreeObserver, treeEntries } from "./scan.ts";
import { buildTarIndex, type ScannedEntry } from "./tar-index.ts";
import type { Owner } from "./walk.ts";

/** Characters per update: one update per path would take longer than its lstat. */
const CHUNK = 1 << 16;

export function scanStamped(source: StampedScanTask["source"], mostEntries?: number): StampedScan {
  const stamper = new TreeStamper(source);
  const index = buildTarIndex(treeEntries(source.path, source, "walk", mostEntries, stamper));
  return { index, stamp: stamper.finish() };
}

/**
 * Stamps a tree during its scan: everything that lstat shows of every path, in nanoseconds and with whole inode
 * numbers, and what the tar has of the directories above. Times are not part of a tar, and those of the directories
 * above change with their other entries.
 */
class TreeStamper implements TreeObserver {
  readonly #hash = createHash("sha256");
  readonly #devices = new Set<bigint>();
  /** By inode number, how many names of a file are still to be found in the tree. */
  readonly #missingNames = new Map<bigint, bigint>();
  #text = "";
  #changedNs = 0n;
  #isWhole = true;

  constructor({ uid, gid }: Owner) {
    this.#append(`${uid} ${gid}`);
  }

  addParent({ name, mode, uid, gid }: ScannedEntry): void {
    this.#append(`${name}\0${mode} ${uid} ${gid}`);
  }

  add(path: ByteString, linkName: ByteString): void {
    const stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) {
      // The pass over the tree reports a path that is gone.
      this.#isWhole = false;
      return;
    }
    const { mode, uid, gid, size, dev, ino, nlink, rdev, mtimeNs, ctimeNs } = stats;
    this.#append(
      `${path}\0${mode} ${uid} ${gid} ${size} ${dev} ${ino} ${nlink} ${rdev} ${mtimeNs} ${ctimeNs} ${linkName}`,
    );
    this.#devices.add(dev);
    if (nlink > 1n && !stats.isDirectory()) this.#missingNames.set(ino, (this.#missingNames.get(ino) ?? nlink) - 1n);
    if (ctimeNs > this.#changedNs) this.#changedNs = ctimeNs;
  }

  finish(): TreeStamp {
    this.#flush();
    return {
      digest: this.#hash.digest("hex"),
      changedMs: this.#isWhole ? Math.ceil(Number(this.#changedNs) / 1e6) : Number.POSITIVE_INFINITY,
      isSelfContained: this.#devices.size <= 1 && [...this.#missingNames.values()].every((names) => names === 0n),
    };
  }

  #append(record: string): void {
    this.#text += `${record}\0`;
    if (this.#text.length >= CHUNK) this.#flush();
  }

  #flush(): void {
    this.#hash.update(this.#text, "latin1");
    this.#text = "";
  }
}
