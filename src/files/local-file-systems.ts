import { statfs } from "node:fs/promises";
import { type ByteString, fsPath } from "../go/byte-string.ts";

/** `f_type` of file systems that are on this machine and in its kernel (statfs(2), linux/magic.h). */
const LOCAL: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x794c7630, "overlayfs"],
  [0x01021994, "tmpfs"],
  [0x2fc12fc1, "zfs"],
  [0xf2f52010, "f2fs"],
]);

/** Whether a call on this directory may wait for a network or for another process, without an end. */
export async function mayHang(directory: ByteString): Promise<boolean> {
  try {
    const { type } = await statfs(fsPath(directory));
    return !LOCAL.has(type);
  } catch {
    return false;
  }
}
