import { VolumeCache } from "../caches/volume-cache.ts";
import { EMPTY_CACHE_METADATA } from "../cnb/cache-metadata.ts";
import { failTo } from "../faults/fault.ts";
import type { PlannedCache } from "../plan/plan-app.ts";
import type { CacheStore } from "./cache-store.ts";
import type { ExportContext } from "./context.ts";
import { DirectoryCache } from "./directory-cache.ts";
import { ImageCache } from "./image-cache.ts";
import { openCacheImage } from "./open-cache-image.ts";

/** The cache on its way. */
export interface OpeningCache {
  /** Undefined when there is to be none. Rejects with a Fault with an exit code (contract 6.1). */
  readonly store: Promise<CacheStore | undefined>;
  /** What the app image's plan needs to know of it: of an image only that there is one. */
  readonly planned: Promise<PlannedCache | undefined>;
}

/** Starts to open the cache (contract 6.1): a cache image goes before a directory. */
export function openCache(context: ExportContext, signal: AbortSignal): OpeningCache {
  const { cacheImage, cacheDir } = context.settings;
  if (cacheImage !== "")
    return {
      store: openCacheImage(context, signal).then((image) => new ImageCache(context, image)),
      planned: Promise.resolve({ kind: "image" }),
    };
  if (cacheDir === "") return { store: Promise.resolve(undefined), planned: Promise.resolve(undefined) };
  const volume = openVolume(context, cacheDir);
  const store = volume.then((opened) => new DirectoryCache(cacheDir, opened, context.monitor));
  return { store, planned: volume.then(plannedVolume) };
}

async function openVolume({ store }: ExportContext, directory: string): Promise<VolumeCache> {
  try {
    return await VolumeCache.open(directory, (path) => store.hashFile(path));
  } catch (error) {
    throw failTo("create volume cache", error);
  }
}

/** Metadata that cannot be read is for the cache's export to complain about. */
async function plannedVolume(volume: VolumeCache): Promise<PlannedCache> {
  const old = await volume.metadata().catch(() => EMPTY_CACHE_METADATA);
  return { kind: "volume", directory: volume.stagingDir, old };
}
