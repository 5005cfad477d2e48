import { randomUUID } from "node:crypto";
import { constants, existsSync } from "node:fs";
import { access, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { CACHE_STAGING } from "../../workers/protocol.ts";
import {
  type CacheMetadata,
  cacheMetadataJson,
  EMPTY_CACHE_METADATA,
  parseCacheMetadata,
} from "../cnb/lifecycle-metadata.ts";
import { CACHE_METADATA_LABEL } from "../cnb/names.ts";
import type { FinishedTar } from "../engine/layer.ts";
import { Fault, messageOf, withContext } from "../errors/fault.ts";
import { makeDirectories } from "../files/directories.ts";
import { claim, inUse, isInUse, namesIn, removeAll, renameTo, writeDurably } from "../files/durable-directory.ts";
import type { OwnedDirectory } from "../files/owned-directory.ts";
import { readFile } from "../files/read-file.ts";
import { goErrnoText, isNotExist, isSystemError, pathFault } from "../go/errno.ts";
import type { DiffID } from "../oci/digest.ts";
import { type CacheDirectories, commitStaged } from "./cache-commit.ts";

export type HashFile = (path: string) => Promise<DiffID>;

/**
 * A directory of layer tars, as the reference keeps it (lifecycle cache/volume_cache.go): `committed/<diffID>.tar` and,
 * for a build cache, one file of metadata. The volume cache and the launch cache are such directories.
 *
 * The reference commits by renaming `staging` to `committed`; a build killed between its two renames loses its cache.
 * Here each new tar is renamed into `committed`, then the metadata is replaced, then obsolete files are removed: at any
 * point `committed` is the old cache or the new one, possibly with extra tars, which readers ignore. This requires a
 * single writer, so an open cache owns the directory.
 */
export class VolumeCache {
  readonly stagingDir: string;
  readonly #directories: CacheDirectories;
  readonly #owned: OwnedDirectory;
  readonly #hashFile: HashFile;
  readonly #added = new Set<string>();
  readonly #kept = new Set<string>();
  #isCommitted = false;

  private constructor(directory: string, owned: OwnedDirectory, hashFile: HashFile) {
    // On file systems without locks the next export clears the work directory; unique names let this one notice.
    this.stagingDir = join(owned.path, randomUUID());
    this.#directories = {
      directory,
      staging: this.stagingDir,
      committed: join(directory, "committed"),
      backup: join(directory, "committed-backup"),
    };
    this.#owned = owned;
    this.#hashFile = hashFile;
  }

  /**
   * Opens the cache in a directory, which must exist, and cleans up after earlier runs: an interrupted commit of the
   * reference is undone, and staged files are removed.
   * @throws Fault `stat <directory>: no such file or directory` and the like; {@link isInUse} if another export has it
   * open
   */
  static async open(directory: string, hashFile: HashFile): Promise<VolumeCache> {
    await ensureExists(directory);
    // Not `staging`, which every phase of the reference removes when it opens the cache, even during an export.
    const work = join(directory, CACHE_STAGING);
    const owned = await named(`initializing staging directory '${work}'`, async () => claim(work));
    if (owned === undefined) throw inUse(directory);
    const cache = new VolumeCache(directory, owned, hashFile);
    try {
      await cache.#prepare();
      return cache;
    } catch (error) {
      await cache.close();
      throw error;
    }
  }

  async metadata(): Promise<CacheMetadata> {
    const path = join(this.#directories.committed, CACHE_METADATA_LABEL);
    try {
      // The reference opens a directory and cannot decode it: no metadata either. Opening a FIFO would block.
      if (!(await stat(path)).isFile()) return EMPTY_CACHE_METADATA;
      return parseCacheMetadata(await readFile(path));
    } catch (error) {
      if (isNotExist(error)) return EMPTY_CACHE_METADATA;
      throw withContext(`opening metadata file '${path}'`, pathFault("EXPORT_CACHE_DIRECTORY", "open", path, error));
    }
  }

  async find(diffId: DiffID): Promise<string | undefined> {
    const path = this.#committed(diffId);
    try {
      return (await stat(path)).isFile() ? path : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Checks that a layer's committed tar exists, is readable and matches its name
   * (docs/compatibility.md#unreadable-cache-layers).
   * @returns the reference's words for the flaw; undefined if there is none
   */
  async findFlaw(diffId: DiffID): Promise<string | undefined> {
    const path = this.#committed(diffId);
    try {
      await access(path, constants.R_OK);
      if (!(await stat(path)).isFile()) return `hashing layer: ${path} is not a regular file`;
      const found = await this.#hashFile(path);
      if (found === diffId) return undefined;
      return `expected layer contents to have SHA '${diffId}'; found '${found}'`;
    } catch (error) {
      if (isNotExist(error)) return `failed to find cache layer with SHA '${diffId}'`;
      if (isSystemError(error, "EACCES"))
        return `failed to read cache layer with SHA '${diffId}' due to insufficient permissions`;
      return `hashing layer: ${isSystemError(error) ? `stat ${path}: ${goErrnoText(error)}` : messageOf(error)}`;
    }
  }

  keep(diffId: DiffID): void {
    this.#refuseCommitted();
    this.#kept.add(fileName(diffId));
  }

  has(diffId: DiffID): boolean {
    const name = fileName(diffId);
    return this.#added.has(name) || this.#kept.has(name);
  }

  async add({ path }: FinishedTar, diffId: DiffID): Promise<void> {
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

  /** @returns the fault to report: if another export has taken the work directory, that explains the error */
  explain(error: unknown): unknown {
    const isTaken = !existsSync(this.stagingDir) && existsSync(this.#directories.directory);
    return isTaken || isInUse(error) ? inUse(this.#directories.directory) : error;
  }

  async commit(metadata?: CacheMetadata): Promise<void> {
    this.#refuseCommitted();
    this.#isCommitted = true;
    const staged = join(this.stagingDir, CACHE_METADATA_LABEL);
    try {
      // First, because it needs disk space, and renames do not.
      if (metadata !== undefined)
        await named("setting cache metadata", () => writeDurably(staged, metadataText(metadata)));
      await named("committing cache", () =>
        commitStaged({
          ...this.#directories,
          added: [...this.#added],
          kept: [...this.#kept],
          documents: metadata === undefined ? [] : [CACHE_METADATA_LABEL],
        }),
      );
    } catch (error) {
      throw this.explain(error);
    }
    await this.close();
  }

  async close(): Promise<void> {
    await removeAll(this.stagingDir).catch(() => undefined);
    // Not what a phase of the reference has put there since.
    await rmdir(this.#emptyStaging).catch(() => undefined);
    this.#owned.release();
  }

  async #prepare(): Promise<void> {
    await named(`initializing staging directory '${this.#owned.path}'`, async () => {
      for (const path of this.#owned.contents()) await removeAll(path);
      await makeDirectories(this.stagingDir, "EXPORT_CACHE_DIRECTORY");
    });
    // The reference's is empty when it builds the app image's layers; the app directory may contain the cache.
    await removeAll(this.#emptyStaging)
      .then(() => makeDirectories(this.#emptyStaging, "EXPORT_CACHE_DIRECTORY"))
      .catch(() => undefined);
    await named(`removing backup directory '${this.#directories.backup}'`, async () => {
      const isCut =
        (await namesIn(this.#directories.backup)).length > 0 &&
        (await namesIn(this.#directories.committed)).length === 0;
      if (isCut) await renameTo(this.#directories.backup, this.#directories.committed);
      // Another user's leftover only wastes space.
      else await removeAll(this.#directories.backup).catch(() => undefined);
    });
    await named(`creating committed directory '${this.#directories.committed}'`, () =>
      makeDirectories(this.#directories.committed, "EXPORT_CACHE_DIRECTORY"),
    );
  }

  get #emptyStaging(): string {
    return join(this.#directories.directory, "staging");
  }

  #committed(diffId: DiffID): string {
    return join(this.#directories.committed, fileName(diffId));
  }

  #refuseCommitted(): void {
    if (this.#isCommitted) throw new Fault("EXPORT_INTERNAL", "cache cannot be modified after commit");
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

async function ensureExists(directory: string): Promise<void> {
  try {
    await stat(directory);
  } catch (error) {
    throw pathFault("EXPORT_CACHE_DIRECTORY", "stat", directory, error);
  }
}

async function named<T>(what: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw withContext(what, error);
  }
}
