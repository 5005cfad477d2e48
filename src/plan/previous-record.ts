import type { BuildpackRecord, LayerRecord, LifecycleMetadata } from "../cnb/metadata.ts";

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
