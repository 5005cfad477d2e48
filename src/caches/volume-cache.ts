import { constants } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { cacheMetadataJson, EMPTY_CACHE_METADATA, parseCacheMetadata } from "../cnb/cache-metadata.ts";
import { CACHE_METADATA_LABEL } from "../cnb/labels.ts";
import type { CacheMetadata } from "../cnb/metadata.ts";
import { Fault, messageOf, withContext } from "../faults/fault.ts";
import { isNotExist, isSystemError, pathFault } from "../faults/system-error.ts";
import type { MadeTar } from "../layers/tar-file.ts";
import type { DiffID } from "../oci/digest.ts";
import { makeDirectory, namesIn, removeAll, renameTo, syncDirectory, writeDurably } from "./durable-directory.ts";

/** Hashes a file, on a thread of its own. */
export type HashFile = (path: string) => Promise<DiffID>;

/**
 * A directory of layer tars, as the reference keeps it (contract 6.3): `committed/<diffID>.tar` and, for a build cache, one file
 * of metadata. The volume cache and the launch cache are such directories.
 *
 * New tars are made in `staging`. The reference commits by renaming that to `committed`, and a build that is killed between
 * its two renames has no cache. Here each new tar is renamed into `committed`, then the metadata is replaced, then what the
 * new cache does not have is removed: whenever it is killed, `committed` is the old cache or the new one, with some tars too
 * many, and whoever reads it next needs to know nothing of that.
 */
export class VolumeCache {
  /** Where new tars are made. */
  readonly stagingDir: string;
  readonly #committedDir: string;
  readonly #hashFile: HashFile;
  /** Names of the tars that the new cache has: those in staging, and those that stay. */
  readonly #added = new Set<string>();
  readonly #kept = new Set<string>();
  #isCommitted = false;

  private constructor(directory: string, hashFile: HashFile) {
    this.stagingDir = join(directory, "staging");
    this.#committedDir = join(directory, "committed");
    this.#hashFile = hashFile;
  }

  /**
   * Opens the cache in a directory, which must exist, and brings what an earlier run left behind in order: a commit of the
   * reference's that was cut in two is undone, and what was staged is removed.
   * @throws Fault `stat <directory>: no such file or directory` and the like
   */
  static async open(directory: string, hashFile: HashFile): Promise<VolumeCache> {
    await statOf(directory);
    const cache = new VolumeCache(directory, hashFile);
    const backup = join(directory, "committed-backup");
    await named(`initializing staging directory '${cache.stagingDir}'`, async () => {
      await removeAll(cache.stagingDir);
      await makeDirectory(cache.stagingDir);
    });
    await named(`removing backup directory '${backup}'`, async () => {
      const isCut = (await namesIn(backup)).length > 0 && (await namesIn(cache.#committedDir)).length === 0;
      if (isCut) await renameTo(backup, cache.#committedDir);
      else await removeAll(backup);
    });
    await named(`creating committed directory '${cache.#committedDir}'`, () => makeDirectory(cache.#committedDir));
    return cache;
  }

  /**
   * The metadata of the committed cache; empty when there is none, or none that can be decoded.
   * @throws Fault `opening metadata file ...`
   */
  async metadata(): Promise<CacheMetadata> {
    const path = join(this.#committedDir, CACHE_METADATA_LABEL);
    try {
      return parseCacheMetadata(await readFile(path, "utf8"));
    } catch (error) {
      if (isNotExist(error)) return EMPTY_CACHE_METADATA;
      throw withContext(`opening metadata file '${path}'`, pathFault("EXPORT_CACHE_METADATA", "open", path, error));
    }
  }

  /** The file of a layer that the committed cache has; undefined when it has none. */
  async find(diffId: DiffID): Promise<string | undefined> {
    const path = this.#committed(diffId);
    try {
      await access(path);
      return path;
    } catch {
      return undefined;
    }
  }

  /**
   * Looks whether the committed tar of a layer is there, can be read, and is what its name says (D16: else it is made again).
   * @returns the reference's words for what is wrong with it; undefined when nothing is
   */
  async flawOf(diffId: DiffID): Promise<string | undefined> {
    const path = this.#committed(diffId);
    try {
      await access(path, constants.R_OK);
      const found = await this.#hashFile(path);
      if (found === diffId) return undefined;
      return `expected layer contents to have SHA '${diffId}'; found '${found}'`;
    } catch (error) {
      if (isNotExist(error)) return `failed to find cache layer with SHA '${diffId}'`;
      if (isSystemError(error) && error.code === "EACCES")
        return `failed to read cache layer with SHA '${diffId}' due to insufficient permissions`;
      return `hashing layer: ${messageOf(error)}`;
    }
  }

  /** The new cache has this layer's committed tar. */
  keep(diffId: DiffID): void {
    this.#refuseCommitted();
    this.#kept.add(fileName(diffId));
  }

  /** True when the new cache has the layer already, added or kept. */
  has(diffId: DiffID): boolean {
    const name = fileName(diffId);
    return this.#added.has(name) || this.#kept.has(name);
  }

  /** The new cache has this tar, which was made in {@link stagingDir}, unless it has the layer already. */
  async add({ path }: MadeTar, diffId: DiffID): Promise<void> {
    this.#refuseCommitted();
    if (this.has(diffId)) return;
    const name = fileName(diffId);
    this.#added.add(name);
    try {
      await renameTo(path, join(this.stagingDir, name));
    } catch (error) {
      this.#added.delete(name);
      throw error;
    }
  }

  /**
   * Makes the new cache the committed one.
   * @param metadata of a build cache; a launch cache has none
   * @throws Fault; the cache is still the old one then, unless only what it has too much could not be removed
   */
  async commit(metadata?: CacheMetadata): Promise<void> {
    this.#refuseCommitted();
    this.#isCommitted = true;
    const staged = join(this.stagingDir, CACHE_METADATA_LABEL);
    // First, because it needs room on the disk, and renames do not.
    if (metadata !== undefined)
      await named("setting cache metadata", () => writeDurably(staged, metadataText(metadata)));
    await named("committing cache", async () => {
      for (const name of this.#added) await renameTo(join(this.stagingDir, name), join(this.#committedDir, name));
      await syncDirectory(this.#committedDir);
      if (metadata !== undefined) await renameTo(staged, join(this.#committedDir, CACHE_METADATA_LABEL));
      await syncDirectory(this.#committedDir);
      await this.#removeOld(metadata !== undefined);
    });
    await this.close();
  }

  /** Frees what was staged and not committed. What cannot be removed now is when the cache is opened next. */
  async close(): Promise<void> {
    await removeAll(this.stagingDir).catch(() => undefined);
  }

  async #removeOld(hasMetadata: boolean): Promise<void> {
    for (const name of await namesIn(this.#committedDir)) {
      const isNew = this.#added.has(name) || this.#kept.has(name) || (hasMetadata && name === CACHE_METADATA_LABEL);
      if (!isNew) await removeAll(join(this.#committedDir, name));
    }
  }

  #committed(diffId: DiffID): string {
    return join(this.#committedDir, fileName(diffId));
  }

  #refuseCommitted(): void {
    if (this.#isCommitted) throw new Fault("EXPORT_CACHE_COMMITTED", "cache cannot be modified after commit");
  }
}

function fileName(diffId: DiffID): string {
  return `${diffId}.tar`;
}

function metadataText(metadata: CacheMetadata): string {
  try {
    return `${cacheMetadataJson(metadata)}\n`;
  } catch (error) {
    throw withContext("marshalling metadata", error);
  }
}

async function statOf(directory: string): Promise<void> {
  try {
    await stat(directory);
  } catch (error) {
    throw pathFault("EXPORT_CACHE_DIRECTORY", "stat", directory, error, {
      hint: "The cache directory has to be there before the export begins.",
    });
  }
}

async function named(what: string, task: () => Promise<void>): Promise<void> {
  try {
    await task();
  } catch (error) {
    throw withContext(what, error);
  }
}
