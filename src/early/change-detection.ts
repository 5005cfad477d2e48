import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { TreeStamp } from "../../workers/protocol.ts";
import type { ByteString } from "../go/byte-string.ts";
import { isNotExist } from "../go/errno.ts";

/*
 * When a stamp shows every later change of a tree. The kernel sets the ctime of a file at every change of its contents
 * or attributes, no program can set it, and a stamp has it of every path. What is left, and ruled out here:
 *
 * - File systems of other machines and of programs, whose times are theirs to give.
 * - A change in the same tick of the kernel's clock as the last one before the stamp: both have the same ctime.
 * - A file that is mapped shared. The first write to a page through a mapping sets the ctime; further ones do not until
 *   the page was written back (`file_update_time` in mm/memory.c and the file systems' `page_mkwrite`). A mapping that
 *   comes after the check has its first write after it, so only mappings that exist at the check matter.
 * - A write(2) that began before the check and has not ended: it sets the ctime when it begins
 *   (`generic_file_write_iter` in mm/filemap.c). So only files that are open for writing at the check matter.
 * - A file that has another name, or is on another file system, outside of the tree, through which it may be written.
 */

/** Longer than a tick of the clock that gives ctimes: 1 to 10 ms (CONFIG_HZ). */
const TICK_MS = 20;

export function canShowChanges({ changedMs, isSelfContained }: TreeStamp, scanStartMs: number): boolean {
  return isSelfContained && changedMs < scanStartMs - TICK_MS;
}

const MAX_PROCESSES = 1000;

/**
 * True if a process has a file below the directory open for writing, or in a shared mapping that it may write to. A
 * process that cannot be read counts if it belongs to the build. Also true with more than {@link MAX_PROCESSES}, such as
 * those of a whole host: reading them all would take too long.
 * @param directory real path, without symlinks
 * @param session of the build's processes: the builder leads one (setsid(2))
 */
export function hasWriter(directory: ByteString, session: number, pids: readonly string[] = processes()): boolean {
  if (pids.length > MAX_PROCESSES) return true;
  return pids.some((pid) => {
    try {
      return hasOpenFile(pid, directory) || hasMapping(pid, directory);
    } catch {
      return sessionOf(pid) === session;
    }
  });
}

function processes(): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
}

function hasOpenFile(pid: string, directory: ByteString): boolean {
  return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
    try {
      return (
        readlinkSync(`/proc/${pid}/fd/${descriptor}`, "latin1").startsWith(`${directory}/`) &&
        /^flags:\s+[0-7]*[1-3567]$/m.test(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, "latin1"))
      );
    } catch (error) {
      // Closed meanwhile.
      if (isNotExist(error)) return false;
      throw error;
    }
  });
}

const MAPPING = /^[0-9a-f]+-[0-9a-f]+ (?<rights>\S{4}) \S+ \S+ \d+ *(?<path>.*)$/;

function hasMapping(pid: string, directory: ByteString): boolean {
  const inside = `${escaped(directory)}/`;
  const shared = mappings(`/proc/${pid}/maps`).filter(
    ({ rights, path }) => rights[3] === "s" && path.startsWith(inside),
  );
  if (shared.length === 0) return false;
  if (shared.some(({ rights }) => rights[1] === "w")) return true;
  // Of a file that was opened for writing, the mapping can become writable (`mw`: VM_MAYWRITE).
  return mappings(`/proc/${pid}/smaps`).some(
    ({ rights, path, flags }) => rights[3] === "s" && path.startsWith(inside) && flags.includes(" mw"),
  );
}

interface Mapping {
  readonly rights: string;
  readonly path: string;
  flags: string;
}

function mappings(file: string): Mapping[] {
  const found: Mapping[] = [];
  for (const line of readFileSync(file, "latin1").split("\n")) {
    const { rights, path } = MAPPING.exec(line)?.groups ?? {};
    if (rights !== undefined && path !== undefined) found.push({ rights, path, flags: "" });
    const last = found.at(-1);
    if (last !== undefined && line.startsWith("VmFlags:")) last.flags = line;
  }
  return found;
}

/** As the kernel writes paths there (`seq_file_path`). */
function escaped(path: ByteString): string {
  return path.replaceAll("\n", "\\012");
}

/**
 * Undefined after the process has ended, even if its parent never waits for it, as process 1 of a container often does
 * not. A program's name, in parentheses, may contain anything (proc_pid_stat(5)).
 */
function sessionOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, session, threads] = [fields[0], Number(fields[3]), Number(fields[17])];
    // The first thread of a process can end before the others.
    return state === "Z" && threads <= 1 ? undefined : session;
  } catch {
    return undefined;
  }
}
