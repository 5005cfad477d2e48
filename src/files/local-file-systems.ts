import { realpath, statfs } from "node:fs/promises";
import { type ByteString, fsPath } from "../go/byte-string.ts";
import { isNotExist } from "../go/errno.ts";
import { MOUNT_TABLE, parseMounts } from "./mounts.ts";
import { readFile } from "./read-file.ts";

interface LocalFileSystem {
  /** Its pages are mapped read-only until their first write, which then sets the ctime. */
  readonly datesMappedWrites: boolean;
}

/** By `f_type` (statfs(2), linux/magic.h): file systems that are on this machine and in its kernel. */
const LOCAL: ReadonlyMap<number, LocalFileSystem> = new Map([
  [0xef53, { datesMappedWrites: true }], // ext2 to ext4
  [0x58465342, { datesMappedWrites: true }], // XFS
  [0x9123683e, { datesMappedWrites: true }], // Btrfs
  [0x794c7630, { datesMappedWrites: true }], // overlayfs
  [0x01021994, { datesMappedWrites: false }], // tmpfs maps pages writable at the first read
  [0x2fc12fc1, { datesMappedWrites: false }], // ZFS, not checked
  [0xf2f52010, { datesMappedWrites: false }], // F2FS, not checked
]);

/** Whether a call on this path may wait indefinitely for a network or another process. */
export async function mayHang(path: ByteString): Promise<boolean> {
  try {
    const { type } = await statfs(fsPath(path));
    return !LOCAL.has(type);
  } catch (error) {
    return !isNotExist(error);
  }
}

/**
 * Like {@link mayHang}, for all calls on a tree. Every file system mounted within the tree counts, because asking for
 * its type could hang as well.
 */
export async function mayTreeHang(directory: ByteString): Promise<boolean> {
  return (await mayHang(directory)) || (await hasMountsWithin(directory));
}

async function hasMountsWithin(directory: ByteString): Promise<boolean> {
  try {
    const real = (await realpath(fsPath(directory), "buffer")).toString("latin1");
    const within = real.endsWith("/") ? real : `${real}/`;
    return parseMounts(await readFile(MOUNT_TABLE)).some(({ mountPoint }) => mountPoint.startsWith(within));
  } catch {
    return false;
  }
}

/**
 * @returns undefined for a file system on which every write sets a ctime, otherwise its type, as `0x...`
 * @throws the error of statfs(2)
 */
export async function distrustedFileSystem(path: ByteString): Promise<string | undefined> {
  const { type } = await statfs(fsPath(path));
  return LOCAL.get(type)?.datesMappedWrites ? undefined : `0x${type.toString(16)}`;
}
