import { gates } from "../cnb/api.ts";
import type { BuildMetadata } from "../cnb/build-metadata.ts";
import {
  type BuildpackRecord,
  type CacheMetadata,
  EMPTY_CACHE_METADATA,
  type LayerRecord,
  type LifecycleMetadata,
} from "../cnb/lifecycle-metadata.ts";
import type { Fault } from "../errors/fault.ts";
import { cachedSources } from "./cache.ts";
import type { BuildpackLayers, ExportSettings } from "./inputs.ts";
import { APP_PRIORITY, type LayerPlan, type LayerUse, WantedLayers } from "./layers.ts";
import {
  type AppStep,
  type ExtensionLayer,
  extensionSteps,
  launcherSteps,
  launchSbomSteps,
  launchSteps,
  sliceSteps,
} from "./steps.ts";

/**
 * A layer's record in earlier metadata; of several versions of a buildpack the first counts
 * (docs/compatibility.md#launch-layers, docs/compatibility.md#cache-layer-reuse).
 */
export function recordOf(
  records: readonly BuildpackRecord[],
  buildpackId: string,
  layerName: string,
): LayerRecord | undefined {
  return records.find(({ key }) => key === buildpackId)?.layers.get(layerName);
}

/**
 * The layers of the previous image that are neither its run image's nor recorded: those of extensions
 * (docs/compatibility.md#image-extensions).
 * @param diffIds all of the previous image's, from the bottom
 */
export function unrecordedLayers(previous: LifecycleMetadata, diffIds: readonly string[]): string[] {
  const { app, sbom, buildpacks, config, launcher, processTypes, runImage } = previous;
  const launch = buildpacks.flatMap(({ layers }) => [...layers.values()].map(({ diffId }) => diffId));
  const recorded = new Set([...app, sbom, ...launch, config, launcher, processTypes]);
  return diffIds.slice(diffIds.lastIndexOf(runImage.topLayer) + 1).filter((diffId) => !recorded.has(diffId));
}

/** What the plans follow from. */
export interface PlanInputs {
  readonly settings: Pick<ExportSettings, "platformApi" | "appDir" | "layersDir" | "launcherPath" | "uid" | "gid">;
  /** `[metadata]` of analyzed.toml. */
  readonly previous: LifecycleMetadata;
  /** Layers that image extensions provide, from the bottom. */
  readonly extensions: readonly ExtensionLayer[];
  /** All diffIDs of the previous image, from the bottom; none where there is nothing to compare with them. */
  readonly previousDiffIds: readonly string[];
  /** Of the group, in its order. */
  readonly buildpacks: readonly BuildpackLayers[];
  readonly build: Pick<BuildMetadata, "slices" | "processes">;
  /** `<layers>/sbom/launch` exists; a fault where that cannot be told. */
  readonly hasLaunchSbom: boolean | Fault;
  /** The same for `<layers>/sbom/cache`. */
  readonly hasCacheSbom: boolean | Fault;
  /** What the destination takes of each of the app image's layers: a daemon takes tars as they are, a launch cache files. */
  readonly appUses: readonly LayerUse[];
  /** The cache that will take layers too. */
  readonly cache: PlannedCache | undefined;
}

/** A cache that layers are planned for. */
export type PlannedCache =
  | { readonly kind: "image" }
  | {
      readonly kind: "volume";
      /** Where the tars of its layers are made. */
      readonly directory: string;
      /** Its metadata, which, unlike a cache image's, is known when the app image is planned. */
      readonly old: CacheMetadata;
    };

/** What a cache takes of its layers. */
export function cacheUse(cache: PlannedCache | undefined): LayerUse {
  return cache?.kind === "volume" ? { kind: "tar-file", directory: cache.directory } : { kind: "blob" };
}

/** The app image's own layers: which are to be made, and what is to be done with them in which order. */
export interface AppPlan {
  readonly layers: readonly LayerPlan[];
  readonly steps: readonly AppStep[];
}

/**
 * Plans the app image's layers after those of the run image (docs/compatibility.md#layer-order). Nothing is planned
 * past a fault.
 */
export function planApp(inputs: PlanInputs): AppPlan {
  const wanted = new WantedLayers(...inputs.appUses);
  const steps: AppStep[] = [];
  for (const step of appSteps(inputs, wanted)) {
    steps.push(step);
    if (step.kind === "fault") break;
  }
  const { cache } = inputs;
  const old = cache?.kind === "volume" ? cache.old : EMPTY_CACHE_METADATA;
  if (cache !== undefined)
    for (const { source, previous } of cachedSources(inputs, old))
      wanted.alsoTaken(source, cacheUse(cache), [previous]);
  return { layers: wanted.plans(APP_PRIORITY, 0), steps };
}

function* appSteps(inputs: PlanInputs, wanted: WantedLayers): Generator<AppStep> {
  yield* extensionSteps(inputs.extensions, unrecordedLayers(inputs.previous, inputs.previousDiffIds), wanted);
  for (const layers of inputs.buildpacks) yield* launchSteps(layers, inputs, wanted);
  if (gates(inputs.settings.platformApi).hasSbomLayers) yield* launchSbomSteps(inputs, wanted);
  yield* sliceSteps(inputs, wanted);
  yield* launcherSteps(inputs, wanted);
}
