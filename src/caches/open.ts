import { EMPTY_CACHE_METADATA } from "../cnb/lifecycle-metadata.ts";
import { awaitedLater, type TaskScope } from "../concurrency/task-scope.ts";
import { Fault, failTo } from "../errors/fault.ts";
import { isInUse } from "../files/durable-directory.ts";
import { cacheKind, type PlannedCache } from "../plan/inputs.ts";
import type { CacheContext, CacheStore } from "./cache.ts";
import { ImageCache } from "./cache-image.ts";
import { DirectoryCache } from "./directory-cache.ts";
import { VolumeCache } from "./volume-cache.ts";

export interface OpeningCache {
  /**
   * Undefined without a cache; a fault for one that cannot be saved, which does not end the export. Rejects with a
   * Fault with an exit code (docs/compatibility.md#cache-selection).
   */
  readonly store: Promise<CacheStore | Fault | undefined>;
  readonly planned: Promise<PlannedCache | undefined>;
}

export function openCache(context: CacheContext, tasks: TaskScope): OpeningCache {
  const kind = cacheKind(context.settings);
  if (kind === "none") return { store: Promise.resolve(undefined), planned: Promise.resolve(undefined) };
  if (kind === "image")
    return {
      store: tasks.fork((signal) => ImageCache.open(context, signal)),
      planned: Promise.resolve({ kind: "image" }),
    };
  const { cacheDir } = context.settings;
  const volume = tasks.fork(() => openVolume(context, cacheDir));
  const store = volume.then((opened) =>
    opened instanceof Fault ? opened : new DirectoryCache(cacheDir, opened, context.monitor),
  );
  const planned = volume.then((opened) => (opened instanceof Fault ? undefined : plannedVolume(opened)));
  return { store: awaitedLater(store), planned: awaitedLater(planned) };
}

async function openVolume({ store }: CacheContext, directory: string): Promise<VolumeCache | Fault> {
  try {
    return await VolumeCache.open(directory, (path) => store.hashFile(path));
  } catch (error) {
    if (isInUse(error)) return error;
    throw failTo("create volume cache", error);
  }
}

async function plannedVolume(volume: VolumeCache): Promise<PlannedCache> {
  const old = await volume.metadata().catch(() => EMPTY_CACHE_METADATA);
  return { kind: "directory", directory: volume.stagingDir, old };
}
