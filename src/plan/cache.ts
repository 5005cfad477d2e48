import { posix } from "node:path";
import { gates } from "../cnb/api.ts";
import type { CacheMetadata } from "../cnb/lifecycle-metadata.ts";
import { CREATED_BY_SBOM, createdByBuildpack, LAYER_IDS } from "../cnb/names.ts";
import { Fault, withContext } from "../errors/fault.ts";
import type { BuildpackLayer, BuildpackLayers, PlanInputs, PlannedCache } from "./inputs.ts";
import { CACHE_PRIORITY, type LayerPlan, LayerPlanner, type LayerSource, type LayerUse, layerKey } from "./layers.ts";
import { type AppPlan, directorySource, layersDirectorySource, recordOf } from "./steps.ts";

function isCached(layer: BuildpackLayer): boolean {
  return layer.cache && layer.hasContents;
}

function isSbomCached({ settings, hasCacheSbom }: PlanInputs): boolean {
  return hasCacheSbom === true && gates(settings.platformApi).hasSbomLayers;
}

function cacheSbomSource({ settings }: PlanInputs): LayerSource {
  return layersDirectorySource(settings, "sbom", "cache");
}

export interface CachedSource {
  readonly source: LayerSource;
  readonly previous: string;
}

/** The diffID in the old cache's metadata, unchecked; "" never matches. */
function cachedBefore(old: CacheMetadata, buildpackId: string, layer: BuildpackLayer): string {
  return recordOf(old.buildpacks, buildpackId, layer.name)?.diffId ?? "";
}

export function* cachedSources(inputs: PlanInputs, old: CacheMetadata): Generator<CachedSource> {
  for (const { buildpack, layers } of inputs.buildpacks)
    for (const layer of layers) {
      if (!isCached(layer)) continue;
      const source = directorySource(layer.path, inputs.settings);
      yield { source, previous: cachedBefore(old, buildpack.id, layer) };
    }
  if (isSbomCached(inputs)) yield { source: cacheSbomSource(inputs), previous: old.sbom };
}

export function cacheUse(cache: PlannedCache | undefined): LayerUse {
  return cache?.kind === "directory" ? { kind: "tar-file", directory: cache.directory } : { kind: "blob" };
}

export type CacheStep = CacheBuildpackStep | CacheLayerStep | NoContentsStep | CacheFaultStep;

interface CacheBuildpackStep {
  readonly kind: "buildpack";
  readonly layers: BuildpackLayers;
}

export interface CacheLayerStep {
  readonly kind: "layer";
  readonly role:
    | { readonly kind: "cache"; readonly layer: BuildpackLayer }
    | { readonly kind: "cache-sbom"; readonly path: string };
  readonly id: string;
  readonly createdBy: string;
  readonly key: string;
  readonly previous: string;
  readonly errorContext: string;
}

interface NoContentsStep {
  readonly kind: "no-contents";
  readonly id: string;
}

export interface CacheFaultStep {
  readonly kind: "fault";
  readonly fault: Fault;
}

export interface CachePlan {
  readonly layers: readonly LayerPlan[];
  readonly steps: readonly CacheStep[];
}

/**
 * Plans the cache (docs/compatibility.md#cache-layers, docs/compatibility.md#cache-layer-reuse). Layers that the app's
 * plan already has are shared by key.
 * @param old metadata of the previous cache
 */
export function planCache(inputs: PlanInputs, app: AppPlan, old: CacheMetadata): CachePlan {
  const shared = new Set(app.layers.map(({ key }) => key));
  const planner = new LayerPlanner(cacheUse(inputs.cache));
  const planLayer = (id: string, source: LayerSource, previous: string): string => {
    const key = layerKey(source);
    return shared.has(key) ? key : planner.plan(id, source, [previous]);
  };
  const steps = [...cacheSteps(inputs, old, planLayer)];
  return { layers: planner.plans(CACHE_PRIORITY, app.layers.length), steps };
}

type PlanCacheLayer = (id: string, source: LayerSource, previous: string) => string;

function* cacheSteps(inputs: PlanInputs, old: CacheMetadata, planLayer: PlanCacheLayer): Generator<CacheStep> {
  for (const layers of inputs.buildpacks) {
    yield { kind: "buildpack", layers };
    for (const layer of layers.layers) {
      if (isCached(layer)) yield layerStep(layer, layers, inputs, old, planLayer);
      else if (layer.cache) yield { kind: "no-contents", id: layer.id };
    }
  }
  const { hasCacheSbom, settings } = inputs;
  if (isSbomCached(inputs)) yield sbomStep(inputs, old, planLayer);
  else if (hasCacheSbom instanceof Fault && gates(settings.platformApi).hasSbomLayers)
    yield { kind: "fault", fault: withContext("failed to read layers SBOM", hasCacheSbom) };
}

function layerStep(
  layer: BuildpackLayer,
  { buildpack }: BuildpackLayers,
  { settings }: PlanInputs,
  old: CacheMetadata,
  planLayer: PlanCacheLayer,
): CacheLayerStep {
  const { id, name, path } = layer;
  const previous = cachedBefore(old, buildpack.id, layer);
  return {
    kind: "layer",
    role: { kind: "cache", layer },
    id,
    createdBy: createdByBuildpack(name, buildpack),
    key: planLayer(id, directorySource(path, settings), previous),
    previous,
    errorContext: `creating layer '${id}'`,
  };
}

function sbomStep(inputs: PlanInputs, old: CacheMetadata, planLayer: PlanCacheLayer): CacheLayerStep {
  const id = LAYER_IDS.cacheSbom;
  const path = posix.join(inputs.settings.layersDir, "sbom", "cache");
  return {
    kind: "layer",
    role: { kind: "cache-sbom", path },
    id,
    createdBy: CREATED_BY_SBOM,
    key: planLayer(id, cacheSbomSource(inputs), old.sbom),
    previous: old.sbom,
    errorContext: `creating layer '${id}', path: '${path}'`,
  };
}
