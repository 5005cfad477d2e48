import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectories } from "../faults/make-directories.ts";
import { inUse, linkOrCopy, namesIn, removeAll, renameTo, syncDirectory } from "./durable-directory.ts";

/** Paths of a cache directory, and of what is in it. */
export interface CacheDirectories {
  readonly directory: string;
  readonly staging: string;
  readonly committed: string;
  readonly backup: string;
}

/** A cache that is to replace the committed one. */
export interface StagedCache extends CacheDirectories {
  /** Names of tars in `staging`. */
  readonly added: readonly string[];
  /** Names of tars in `committed` that stay. */
  readonly kept: readonly string[];
  /** Names of files in `staging` besides tars, which make the tars the cache. */
  readonly documents: readonly string[];
}

/** Makes the staged cache the committed one. @throws Fault */
export async function commitStaged(cache: StagedCache): Promise<void> {
  if (await canWrite(cache.committed)) await renameInto(cache);
  else await replace(cache);
}

/** Whatever kills it, `committed` is the old cache or the new one, with some tars too many. */
async function renameInto({ directory, staging, committed, added, kept, documents }: StagedCache): Promise<void> {
  const rename = (name: string) => renameTo(join(staging, name), join(committed, name));
  const findAll = async (tars: readonly string[]) => {
    const found = new Set(await namesIn(committed));
    // Only another export removes one.
    if (!tars.every((name) => found.has(name))) throw inUse(directory);
    return [...found];
  };
  await findAll(kept);
  for (const name of added) await rename(name);
  await syncDirectory(committed);
  const found = await findAll([...added, ...kept]);
  for (const name of documents) await rename(name);
  await syncDirectory(committed);
  const wanted = new Set([...added, ...kept, ...documents]);
  for (const name of found) if (!wanted.has(name)) await removeAll(join(committed, name));
}

/**
 * As the reference does, where this user may write beside `committed` but not into it. Between the two renames there is no
 * cache; the next open undoes the first one then.
 */
async function replace({ directory, staging, committed, backup, added, kept, documents }: StagedCache): Promise<void> {
  const next = join(staging, "committed");
  await makeDirectories(next, "EXPORT_CACHE_DIRECTORY");
  for (const name of kept) await linkOrCopy(join(committed, name), join(next, name));
  for (const name of [...added, ...documents]) await renameTo(join(staging, name), join(next, name));
  await syncDirectory(next);
  await renameTo(committed, backup);
  try {
    await renameTo(next, committed);
  } catch (error) {
    await renameTo(backup, committed);
    throw error;
  }
  await syncDirectory(directory);
  await removeAll(backup).catch(() => undefined);
}

async function canWrite(directory: string): Promise<boolean> {
  try {
    await access(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
