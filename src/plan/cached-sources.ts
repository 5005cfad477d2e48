import { gates } from "../cnb/platform-api.ts";
import type { BuildpackLayer } from "../inputs/export-inputs.ts";
import { directorySource, layersDirectorySource } from "./directory-source.ts";
import type { LayerSource } from "./layer-plan.ts";
import type { PlanInputs } from "./plan-app.ts";

/** True for a layer that the cache takes: it asks for it and has contents (contract 6.2). */
export function isCached(layer: BuildpackLayer): boolean {
  return layer.cache && layer.hasContents;
}

/** True when the directory of cached SBOMs becomes a layer of the cache. */
export function isSbomCached({ settings, hasCacheSbom }: PlanInputs): boolean {
  return hasCacheSbom && gates(settings.platformApi).hasSbomLayers;
}

/** The source of the cache's SBOM layer. */
export function cacheSbomSource({ settings }: PlanInputs): LayerSource {
  return layersDirectorySource(settings, "sbom", "cache");
}

/** The sources of all layers that a cache takes, in its order, whatever its old metadata says. */
export function* cachedSources(inputs: PlanInputs): Generator<LayerSource> {
  for (const { layers } of inputs.buildpacks)
    for (const layer of layers) if (isCached(layer)) yield directorySource(layer.path, inputs.settings);
  if (isSbomCached(inputs)) yield cacheSbomSource(inputs);
}
