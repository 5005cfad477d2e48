import { link, readdir, rename, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { CODES } from "../errors/codes.ts";
import { Fault } from "../errors/fault.ts";
import { isNotExist, isSystemError, pathFault } from "../go/errno.ts";
import * as durable from "./durable-file.ts";
import { OwnedDirectory } from "./owned-directory.ts";

/*
 * Steps of directory changes that must survive a crash at any point. Faults have Go's texts,
 * `<operation> <path>: <reason>`.
 */

const IN_USE = "EXPORT_CACHE_IN_USE";

export function isInUse(error: unknown): error is Fault {
  return error instanceof Fault && error.code === IN_USE;
}

export function inUse(directory: string): Fault {
  return new Fault(IN_USE, `another export uses this cache directory: ${directory}`, { hint: CODES[IN_USE].hint });
}

function fault(operation: string, path: string, error: unknown): Fault {
  return pathFault("EXPORT_CACHE_DIRECTORY", operation, path, error);
}

async function attempt(operation: string, path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw fault(operation, path, error);
  }
}

/** Empty for a path that does not exist or is not a directory. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return [];
    throw fault("open", directory, error);
  }
}

export function claim(path: string): OwnedDirectory | undefined {
  try {
    return OwnedDirectory.claim(path);
  } catch (error) {
    const { syscall = "open", path: failed = path } = isSystemError(error) ? error : {};
    throw fault(syscall, failed, error);
  }
}

export async function linkOrCopy(from: string, to: string): Promise<void> {
  await attempt("link", `${from} ${to}`, async () => {
    await link(from, to).then(
      () => durable.syncFile(to),
      () => durable.copyDurably(from, to),
    );
  });
}

/** Node's rm() reports ENOTDIR for a file that cannot be removed. */
export async function removeAll(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (isNotExist(error)) return;
    if (!isSystemError(error, "EISDIR")) throw fault("unlinkat", path, error);
    for (const name of await namesIn(path)) await removeAll(join(path, name));
    await attempt("unlinkat", path, () => rmdir(path));
  }
}

export async function renameTo(from: string, to: string): Promise<void> {
  await attempt("rename", `${from} ${to}`, () => rename(from, to));
}

export async function writeDurably(path: string, text: string): Promise<void> {
  await attempt("write", path, () => durable.writeDurably(path, text));
}

export async function syncDirectory(path: string): Promise<void> {
  await attempt("fsync", path, () => durable.syncDirectory(path));
}
