import { randomUUID } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { FaultCode } from "../../errors/fault.ts";
import { ignoringErrors, OwnedDirectory } from "../../files/owned-directory.ts";
import { isSystemError, pathFault } from "../../go/errno.ts";

const PREFIX = ".making-";

const own = new Map<string, { readonly directory: OwnedDirectory; users: number }>();

/**
 * The directory for this process's unfinished files of a layout: on the blobs' file system, so that a rename publishes
 * them.
 */
export function workPath(layout: string): string {
  // Once the directory was removed: a path that does not exist.
  return own.get(layout)?.directory.path ?? join(layout, PREFIX);
}

/**
 * Creates the work directory of an existing layout, and removes those of killed exports. Those of running exports stay:
 * several may write to one layout at once.
 * @param code of the fault
 * @throws Fault `mkdir <path>: <reason>`
 */
export function makeWorkDirectory(layout: string, code: FaultCode): void {
  const entry = own.get(layout) ?? { directory: claimNew(layout, code), users: 0 };
  entry.users += 1;
  own.set(layout, entry);
  for (const name of leftIn(layout))
    if (join(layout, name) !== entry.directory.path) removeAbandoned(join(layout, name));
}

export function removeWorkDirectory(layout: string): void {
  const entry = own.get(layout);
  if (entry === undefined) return;
  entry.users -= 1;
  if (entry.users > 0) return;
  own.delete(layout);
  remove(entry.directory);
}

function claimNew(layout: string, code: FaultCode): OwnedDirectory {
  for (;;) {
    const path = join(layout, PREFIX + randomUUID());
    try {
      const directory = OwnedDirectory.claim(path);
      // Another export took it for abandoned before it was locked, and is removing it.
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
  ignoringErrors(() => {
    const directory = OwnedDirectory.claim(path);
    // Without a lock there is no way to tell whether its export still runs.
    if (directory?.isExclusive) remove(directory);
  });
}

function remove(directory: OwnedDirectory): void {
  ignoringErrors(() => {
    for (const path of directory.contents()) ignoringErrors(() => rmSync(path, { recursive: true, force: true }));
  });
  directory.release();
}
