import { randomUUID } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { FaultCode } from "../../errors/fault.ts";
import { OwnedDirectory } from "../../files/owned-directory.ts";
import { isSystemError, pathFault } from "../../go/errno.ts";

const PREFIX = ".making-";

/** Work directories of this process, by layout, each with the number of its users. */
const own = new Map<string, { readonly directory: OwnedDirectory; users: number }>();

/**
 * The directory in a layout in which this process makes what is not part of the image yet. It is on the file system of the
 * blobs, so that what is complete only has to be renamed.
 */
export function workPath(layout: string): string {
  // After removal this is a directory that is not there.
  return own.get(layout)?.directory.path ?? join(layout, PREFIX);
}

/**
 * Makes that directory in a layout that exists, and removes those of exports that were killed. Those of running exports stay:
 * several may write to one layout at once.
 * @param code of the fault
 * @throws Fault `mkdir <path>: <reason>`
 */
export function makeWorkDirectory(layout: string, code: FaultCode): void {
  const made = own.get(layout) ?? { directory: claimNew(layout, code), users: 0 };
  made.users += 1;
  own.set(layout, made);
  for (const name of leftIn(layout))
    if (join(layout, name) !== made.directory.path) removeAbandoned(join(layout, name));
}

/** One user needs it no longer. Synchronous, so that it also works while the process is ending. */
export function removeWorkDirectory(layout: string): void {
  const made = own.get(layout);
  if (made === undefined) return;
  made.users -= 1;
  if (made.users > 0) return;
  own.delete(layout);
  remove(made.directory);
}

function claimNew(layout: string, code: FaultCode): OwnedDirectory {
  for (;;) {
    const path = join(layout, PREFIX + randomUUID());
    try {
      const directory = OwnedDirectory.claim(path);
      // Another export, which took it for abandoned before it was locked, is removing it.
      if (directory !== undefined) return directory;
    } catch (error) {
      throw pathFault(code, (isSystemError(error) && error.syscall) || "open", path, error);
    }
  }
}

function leftIn(layout: string): string[] {
  try {
    return readdirSync(layout).filter((name) => name.startsWith(PREFIX));
  } catch {
    return [];
  }
}

function removeAbandoned(path: string): void {
  try {
    const directory = OwnedDirectory.claim(path);
    // Without locks there is no telling whether its export still runs.
    if (directory?.isExclusive) remove(directory);
  } catch {
    // Another user's.
  }
}

/** Best effort: a leftover only wastes space, and the next export tries again. */
function remove(directory: OwnedDirectory): void {
  for (const path of directory.contents()) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // Another user's.
    }
  }
  directory.release();
}
