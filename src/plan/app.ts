import { gates } from "../cnb/api.ts";
import { EMPTY_CACHE_METADATA, type LifecycleMetadata } from "../cnb/lifecycle-metadata.ts";
import { cachedSources, cacheUse } from "./cache.ts";
import type { PlanInputs } from "./inputs.ts";
import { APP_PRIORITY, LayerPlanner } from "./layers.ts";
import {
  type AppPlan,
  type AppStep,
  extensionSteps,
  launcherSteps,
  launchSbomSteps,
  launchSteps,
  sliceSteps,
} from "./steps.ts";

/**
 * Layers of the previous image that are neither its run image's nor recorded: those of extensions
 * (docs/compatibility.md#image-extensions).
 * @param diffIds all of the previous image's, from the bottom
 */
function unrecordedLayers(previous: LifecycleMetadata, diffIds: readonly string[]): string[] {
  const { app, sbom, buildpacks, config, launcher, processTypes, runImage } = previous;
  const launch = buildpacks.flatMap(({ layers }) => [...layers.values()].map(({ diffId }) => diffId));
  const recorded = new Set([...app, sbom, ...launch, config, launcher, processTypes]);
  return diffIds.slice(diffIds.lastIndexOf(runImage.topLayer) + 1).filter((diffId) => !recorded.has(diffId));
}

/**
 * Plans the app image's layers above those of the run image (docs/compatibility.md#layer-order). Planning ends at the
 * first fault.
 */
export function planApp(inputs: PlanInputs): AppPlan {
  const planner = new LayerPlanner(...inputs.appUses);
  const steps: AppStep[] = [];
  for (const step of appSteps(inputs, planner)) {
    steps.push(step);
    if (step.kind === "fault") break;
  }
  const { cache } = inputs;
  const old = cache?.kind === "directory" ? cache.old : EMPTY_CACHE_METADATA;
  if (cache !== undefined)
    for (const { source, previous } of cachedSources(inputs, old))
      planner.addConsumer(source, cacheUse(cache), [previous]);
  return { layers: planner.plans(APP_PRIORITY, 0), steps };
}

function* appSteps(inputs: PlanInputs, planner: LayerPlanner): Generator<AppStep> {
  yield* extensionSteps(inputs.extensions, unrecordedLayers(inputs.previous, inputs.previousDiffIds), planner);
  for (const layers of inputs.buildpacks) yield* launchSteps(layers, inputs, planner);
  if (gates(inputs.settings.platformApi).hasSbomLayers) yield* launchSbomSteps(inputs, planner);
  // Small layers mostly wait for responses, so they are planned, built and uploaded before the slices.
  const last = [...launcherSteps(inputs, planner)];
  yield* sliceSteps(inputs, planner);
  yield* last;
}
