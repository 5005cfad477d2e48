import type { BuildMetadata } from "../cnb/build-metadata.ts";
import { EMPTY_CACHE_METADATA } from "../cnb/cache-metadata.ts";
import type { CacheMetadata, LifecycleMetadata } from "../cnb/metadata.ts";
import { gates } from "../cnb/platform-api.ts";
import type { Fault } from "../faults/fault.ts";
import type { BuildpackLayers, ExportSettings } from "../inputs/export-inputs.ts";
import type { AppStep } from "./app-step.ts";
import { cachedSources } from "./cached-sources.ts";
import { type ExtensionLayer, extensionSteps } from "./extension-steps.ts";
import { launchSteps } from "./launch-steps.ts";
import { APP_PRIORITY, type LayerPlan } from "./layer-plan.ts";
import { launcherSteps, launchSbomSteps } from "./lifecycle-steps.ts";
import { unrecordedLayers } from "./previous-record.ts";
import { sliceSteps } from "./slice-steps.ts";
import { type LayerUse, WantedLayers } from "./wanted-layers.ts";

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
