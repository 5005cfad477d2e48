import { type BigIntStats, closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { MOUNT_TABLE, type Mount, parseMounts } from "../files/mounts.ts";
import { type ByteString, fsPath } from "../go/byte-string.ts";

/** A line of /proc/PID/maps (proc_pid_maps(5)). */
export interface MappedFile {
  /** Major and minor number, hexadecimal. */
  readonly device: string;
  readonly inode: string;
  readonly path: string;
}

/** The files of a layer, as /proc shows them. */
export class LayerFiles {
  readonly #inside: string;
  readonly #inodes: BigUint64Array;
  readonly #device: bigint;
  /** By mount ID. */
  readonly #mounts: ReadonlyMap<string, Mount>;
  readonly #mount: Mount | undefined;

  /**
   * @param directory real path, without symlinks
   * @param inodes of all regular files below it, which are on one device
   */
  constructor(directory: ByteString, inodes: BigUint64Array) {
    this.#inside = `${directory}/`;
    this.#inodes = inodes;
    this.#mounts = new Map(parseMounts(readFileSync(MOUNT_TABLE)).map((mount) => [mount.id, mount]));
    const descriptor = openSync(fsPath(directory), "r");
    try {
      this.#device = fstatSync(descriptor, { bigint: true }).dev;
      this.#mount = this.#mounts.get(mountId(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1")));
    } finally {
      closeSync(descriptor);
    }
  }

  /** True for a path in the layer, also of a file that was removed from it. */
  hasPath(path: ByteString): boolean {
    return path.startsWith(this.#inside);
  }

  /**
   * True if a descriptor with this fdinfo may be of a file of the layer. A mount that is not in this process's mount
   * namespace may be an overlay with the layer as its upper directory: another device, and the same inodes.
   * @param stat of the descriptor, which may wait for a network; called only if the mount does not tell
   */
  mayBeOpen(fdinfo: string, stat: () => BigIntStats): boolean {
    const mount = this.#mounts.get(mountId(fdinfo));
    if (mount !== undefined && mount.device !== this.#mount?.device) return false;
    const { dev, ino } = stat();
    return (mount === undefined || dev === this.#device) && this.#inodes.includes(ino);
  }

  /**
   * True if a mapping may be of a file of the layer.
   *
   * The device of a mapping is the file system's (`s_dev`, as in mountinfo). stat(2) has another one on Btrfs. On
   * overlayfs recent kernels show the overlay's inode (`file_user_inode` in
   * https://github.com/torvalds/linux/blob/v6.12/fs/proc/task_mmu.c), others the upper file's: another device, and the
   * same number, except for a file that was copied up, whose mapping counts unless its path shows otherwise.
   */
  mayBeMapped({ device: hexadecimal, inode, path }: MappedFile): boolean {
    if (path.startsWith(this.#inside.replaceAll("\n", "\\012"))) return true;
    const device = decimalDevice(hexadecimal);
    const isOverlay = this.#mount?.type === "overlay";
    const isSameDevice = isOverlay || this.#mount === undefined || device === this.#mount.device;
    if (isSameDevice && this.#inodes.includes(BigInt(inode))) return true;
    return isOverlay && path.endsWith(" (deleted)") && !device.startsWith("0:");
  }

  /**
   * True for a mapping that may belong to an overlay with the layer as its upper directory: its device has no disk and
   * is not mounted in this process's mount namespace. Inodes are not compared, because the overlay's may differ. Memory
   * that the kernel maps as files does not count.
   */
  mayBeMappedThroughOverlay({ device: hexadecimal, path }: MappedFile): boolean {
    const device = decimalDevice(hexadecimal);
    const isMounted = [...this.#mounts.values()].some((mount) => mount.device === device);
    return device.startsWith("0:") && !isMounted && !KERNEL_MEMORY.test(path);
  }
}

/** memfd_create(2), shared anonymous memory, shmget(2) and io_setup(2), and descriptors without a file system. */
const KERNEL_MEMORY = /^(?:\/(?:memfd:.*|dev\/zero|anon_hugepage|SYSV[0-9a-f]{8}|\[aio\]) \(deleted\)|anon_inode:.*|)$/;

/** As in mountinfo; /proc/PID/maps has hexadecimal numbers. */
function decimalDevice(device: string): string {
  const numbers = device.split(":").map((number) => Number.parseInt(number, 16));
  return numbers.join(":");
}

function mountId(fdinfo: string): string {
  return /^mnt_id:\s+(\d+)$/m.exec(fdinfo)?.[1] ?? "";
}
