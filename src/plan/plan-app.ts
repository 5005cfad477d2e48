import type { BuildMetadata } from "../cnb/build-metadata.ts";
import type { LifecycleMetadata } from "../cnb/metadata.ts";
import { gates } from "../cnb/platform-api.ts";
import type { BuildpackLayers, ExportSettings } from "../inputs/export-inputs.ts";
import type { AppStep } from "./app-step.ts";
import { cachedSources } from "./cached-sources.ts";
import { launchSteps } from "./launch-steps.ts";
import { APP_PRIORITY, type LayerPlan } from "./layer-plan.ts";
import { launcherSteps, launchSbomStep } from "./lifecycle-steps.ts";
import { sliceSteps } from "./slice-steps.ts";
import { WantedLayers } from "./wanted-layers.ts";

/** What the plans follow from. */
export interface PlanInputs {
  readonly settings: Pick<ExportSettings, "platformApi" | "appDir" | "layersDir" | "launcherPath" | "uid" | "gid">;
  /** `[metadata]` of analyzed.toml. */
  readonly previous: LifecycleMetadata;
  /** Of the group, in its order. */
  readonly buildpacks: readonly BuildpackLayers[];
  readonly build: Pick<BuildMetadata, "slices" | "processes">;
  /** `<layers>/sbom/launch` exists. */
  readonly hasLaunchSbom: boolean;
  /** `<layers>/sbom/cache` exists. */
  readonly hasCacheSbom: boolean;
  /** A cache image or a volume cache will take layers too. */
  readonly hasCache: boolean;
}

/** The app image's own layers: which are to be made, and what is to be done with them in which order. */
export interface AppPlan {
  readonly layers: readonly LayerPlan[];
  readonly steps: readonly AppStep[];
}

/**
 * Plans the app image's layers after those of the run image and of extensions (contract 4, 4.2-4.4). Nothing is planned
 * past a fault.
 */
export function planApp(inputs: PlanInputs): AppPlan {
  const wanted = new WantedLayers();
  const steps: AppStep[] = [];
  for (const step of appSteps(inputs, wanted)) {
    steps.push(step);
    if (step.kind === "fault") break;
  }
  if (inputs.hasCache) for (const source of cachedSources(inputs)) wanted.alsoTaken(source);
  return { layers: wanted.plans(APP_PRIORITY, 0), steps };
}

function* appSteps(inputs: PlanInputs, wanted: WantedLayers): Generator<AppStep> {
  for (const layers of inputs.buildpacks) yield* launchSteps(layers, inputs, wanted);
  if (gates(inputs.settings.platformApi).hasSbomLayers && inputs.hasLaunchSbom) yield launchSbomStep(inputs, wanted);
  yield* sliceSteps(inputs, wanted);
  yield* launcherSteps(inputs, wanted);
}
