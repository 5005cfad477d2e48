import type { CacheMetadata } from "../cnb/metadata.ts";
import { gates } from "../cnb/platform-api.ts";
import type { BuildpackLayer } from "../inputs/export-inputs.ts";
import { directorySource, layersDirectorySource } from "./directory-source.ts";
import type { LayerSource } from "./layer-plan.ts";
import type { PlanInputs } from "./plan-app.ts";
import { recordOf } from "./previous-record.ts";

/**
 * True for a layer that the cache takes: it is marked as `cache` and has contents (docs/compatibility.md#cache-layers).
 */
export function isCached(layer: BuildpackLayer): boolean {
  return layer.cache && layer.hasContents;
}

/** True when the directory of cached SBOMs becomes a layer of the cache. */
export function isSbomCached({ settings, hasCacheSbom }: PlanInputs): boolean {
  return hasCacheSbom === true && gates(settings.platformApi).hasSbomLayers;
}

/** The source of the cache's SBOM layer. */
export function cacheSbomSource({ settings }: PlanInputs): LayerSource {
  return layersDirectorySource(settings, "sbom", "cache");
}

/** A layer that a cache takes, and what its metadata has for it from before, unchecked; "" never matches. */
export interface CachedSource {
  readonly source: LayerSource;
  readonly previous: string;
}

/** What the old cache has for a layer of a buildpack. */
export function cachedBefore(old: CacheMetadata, buildpackId: string, layer: BuildpackLayer): string {
  return recordOf(old.buildpacks, buildpackId, layer.name)?.diffId ?? "";
}

/** The sources of all layers that a cache takes, in its order. @param old metadata of the previous cache */
export function* cachedSources(inputs: PlanInputs, old: CacheMetadata): Generator<CachedSource> {
  for (const { buildpack, layers } of inputs.buildpacks)
    for (const layer of layers) {
      if (!isCached(layer)) continue;
      const source = directorySource(layer.path, inputs.settings);
      yield { source, previous: cachedBefore(old, buildpack.id, layer) };
    }
  if (isSbomCached(inputs)) yield { source: cacheSbomSource(inputs), previous: old.sbom };
}
