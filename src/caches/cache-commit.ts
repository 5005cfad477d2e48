import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../errors/fault.ts";
import { makeDirectories } from "../files/directories.ts";
import { inUse, isInUse, linkOrCopy, namesIn, removeAll, renameTo, syncDirectory } from "../files/durable-directory.ts";
import { isSystemError } from "../go/errno.ts";

export interface CacheDirectories {
  readonly directory: string;
  readonly staging: string;
  readonly committed: string;
  readonly backup: string;
}

interface StagedCache extends CacheDirectories {
  readonly added: readonly string[];
  readonly kept: readonly string[];
  readonly documents: readonly string[];
}

/** Another user's sticky directory or immutable file; a link to a directory on another file system. */
const REFUSED_RENAME = ["EACCES", "EPERM", "EXDEV"];

export async function commitStaged(cache: StagedCache): Promise<void> {
  try {
    await renameInto(cache);
  } catch (error) {
    const cause = error instanceof Fault ? error.cause : undefined;
    if (!isSystemError(cause, ...REFUSED_RENAME)) throw error;
    await replace(cache);
  }
}

async function renameInto({ directory, staging, committed, added, kept, documents }: StagedCache): Promise<void> {
  const renamed: string[] = [];
  const rename = async (name: string) => {
    const path = join(committed, name);
    // A directory in the place of a file is not from a cache, and rename(2) does not replace it.
    if (await isDirectory(path)) await removeAll(path);
    await renameTo(join(staging, name), path);
    renamed.push(name);
  };
  const findAll = async (tars: readonly string[]) => {
    const found = new Set(await namesIn(committed));
    // Tars disappear only if another export removes them.
    if (!tars.every((name) => found.has(name))) throw inUse(directory);
    return [...found];
  };
  const before = await findAll(kept);
  let found: readonly string[];
  try {
    for (const name of added) await rename(name);
    await syncDirectory(committed);
    found = await findAll([...added, ...kept]);
    for (const name of documents) await rename(name);
  } catch (error) {
    // Tars that replaced an older one stay: the old metadata may name them. If another export has taken over the cache,
    // all stay, because it may have written one of the same name.
    const own = isInUse(error) ? [] : renamed.filter((name) => !before.includes(name));
    for (const name of own) await renameTo(join(committed, name), join(staging, name)).catch(() => undefined);
    throw error;
  }
  await syncDirectory(committed);
  const wanted = new Set([...added, ...kept, ...documents]);
  // Another user's file only wastes space.
  for (const name of found) if (!wanted.has(name)) await removeAll(join(committed, name)).catch(() => undefined);
}

/**
 * The reference's way, for a `committed` whose files cannot be replaced one by one. Between the two renames there is no
 * cache; the next open undoes the first one.
 */
async function replace({ directory, staging, committed, backup, added, kept, documents }: StagedCache): Promise<void> {
  const next = join(staging, "committed");
  await makeDirectories(next, "EXPORT_CACHE_DIRECTORY");
  // A tar that was there under the same name may have been replaced already.
  const staged = new Set(await namesIn(staging));
  for (const name of [...kept, ...added, ...documents]) {
    if (staged.has(name)) await renameTo(join(staging, name), join(next, name));
    else await linkOrCopy(join(committed, name), join(next, name));
  }
  await syncDirectory(next);
  await renameTo(committed, backup);
  try {
    await renameTo(next, committed);
  } catch (error) {
    // Otherwise the next open undoes it.
    await renameTo(backup, committed).catch(() => undefined);
    throw error;
  }
  await syncDirectory(directory);
  await removeAll(backup).catch(() => undefined);
}

async function isDirectory(path: string): Promise<boolean> {
  return await lstat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
