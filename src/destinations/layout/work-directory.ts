import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { FaultCode } from "../../faults/fault.ts";
import { makeDirectories } from "../../faults/make-directories.ts";

const PREFIX = ".making-";

/** Where in /proc/<pid>/stat, after the program's name, a process's start is, in clock ticks since the machine's (proc(5)). */
const START = 19;

/** This process among all since the machine was started. */
const OWN = ownerOf("self") ?? String(process.pid);

/** How many in this process have made each directory, and not removed it. */
const users = new Map<string, number>();

/**
 * The directory in a layout in which this process makes what is not part of the image yet. It is on the file system of the
 * blobs, so that what is complete only has to be renamed.
 */
export function workPath(layout: string): string {
  return join(layout, PREFIX + OWN);
}

/**
 * Makes that directory, and removes those of processes that were killed. One whose process runs stays: nothing forbids to
 * export two images at once to one path.
 * @param code of the fault
 * @throws Fault `mkdir <path>: <reason>`
 */
export async function makeWorkDirectory(layout: string, code: FaultCode): Promise<void> {
  for (const name of leftIn(layout)) {
    if (!isOwned(name.slice(PREFIX.length))) removeIfPossible(join(layout, name));
  }
  const path = workPath(layout);
  await makeDirectories(path, code);
  users.set(path, (users.get(path) ?? 0) + 1);
}

/** One who made it needs it no longer. Synchronous, so that it also works while the process is ending. */
export function removeWorkDirectory(layout: string): void {
  const path = workPath(layout);
  const others = (users.get(path) ?? 1) - 1;
  if (others > 0) users.set(path, others);
  else {
    users.delete(path);
    removeIfPossible(path);
  }
}

function leftIn(layout: string): string[] {
  try {
    return readdirSync(layout).filter((name) => name.startsWith(PREFIX));
  } catch {
    return [];
  }
}

/** It takes room and is in nobody's way; the next export tries again. */
function removeIfPossible(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // Another user's.
  }
}

function isOwned(owner: string): boolean {
  const pid = owner.split("-", 1)[0] ?? "";
  return existsSync("/proc/self/stat") ? ownerOf(pid) === owner : owner === OWN;
}

/** @returns `<pid>-<start>`; undefined when there is no such process */
function ownerOf(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name is in parentheses, and may have any of them in it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return `${Number.parseInt(stat, 10)}-${fields[START]}`;
  } catch {
    return undefined;
  }
}
