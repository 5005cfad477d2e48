import type { ByteString } from "../go/byte-string.ts";

/** The mounts that this process sees. */
export const MOUNT_TABLE = "/proc/self/mountinfo";

/** A line of {@link MOUNT_TABLE} (proc_pid_mountinfo(5)). */
export interface Mount {
  /** Unique on the machine. */
  readonly id: string;
  /** Major and minor number, decimal. */
  readonly device: string;
  readonly mountPoint: ByteString;
  /** Of the file system, such as `ext4`. */
  readonly type: string;
}

const LINE = /^(?<id>\d+) \d+ (?<device>\S+) \S+ (?<mountPoint>\S+) .*? - (?<type>\S+) /;

/** @param table the contents of {@link MOUNT_TABLE} */
export function parseMounts(table: Buffer): Mount[] {
  const lines = table.toString("latin1").split("\n");
  return lines.flatMap((line) => {
    const { id, device, mountPoint, type } = LINE.exec(line)?.groups ?? {};
    if (id === undefined || device === undefined || mountPoint === undefined || type === undefined) return [];
    return [{ id, device, mountPoint: unescaped(mountPoint), type }];
  });
}

/** The kernel writes some characters of a path as `\040`. */
function unescaped(path: string): ByteString {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
