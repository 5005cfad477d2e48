import { mkdir, readdir, rename, rm } from "node:fs/promises";
import * as durable from "../faults/durable-file.ts";
import type { Fault } from "../faults/fault.ts";
import { isNotExist, isSystemError, pathFault } from "../faults/system-error.ts";

/*
 * Steps of a change to directories that must survive a kill at any moment. Faults are in Go's words, `<operation> <path>: <reason>`.
 */

function fault(operation: string, path: string, error: unknown): Fault {
  return pathFault("EXPORT_CACHE_DIRECTORY", operation, path, error);
}

/** Names in a directory; none when there is no such directory. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isNotExist(error)) return [];
    throw fault("open", directory, error);
  }
}

/** Makes a directory with the mode that the umask leaves of 0777, if there is none. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw fault("mkdir", path, error);
  }
}

/** Removes a file, or a directory and all that is in it, if it is there. */
export async function removeAll(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    throw fault("unlinkat", isSystemError(error) && error.path !== undefined ? error.path : path, error);
  }
}

/** Renames in one step, for whoever looks at it as for whoever kills the process; what had the new name is replaced. */
export async function renameTo(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    throw fault("rename", `${from} ${to}`, error);
  }
}

/** Writes a file and waits until it is on the disk. */
export async function writeDurably(path: string, text: string): Promise<void> {
  try {
    await durable.writeDurably(path, text);
  } catch (error) {
    throw fault("write", path, error);
  }
}

/** Waits until a directory's names are on the disk. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    await durable.syncDirectory(path);
  } catch (error) {
    throw fault("fsync", path, error);
  }
}
