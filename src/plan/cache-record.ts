import type { BuildpackRecord, CacheMetadata, LayerRecord } from "../cnb/metadata.ts";
import { layerRecord } from "./lifecycle-record.ts";
import type { CacheLayerStep, CacheStep } from "./plan-cache.ts";

/**
 * The metadata of a cache whose steps are all done: an entry for every buildpack, even one without layers
 * (docs/compatibility.md#cache-metadata).
 * @param diffIdOf the diffID of a layer; undefined if it could not be cached
 */
export function recordCache(
  steps: readonly CacheStep[],
  diffIdOf: (step: CacheLayerStep) => string | undefined,
): CacheMetadata {
  const buildpacks: BuildpackRecord[] = [];
  let layers = new Map<string, LayerRecord>();
  let sbom = "";
  for (const step of steps) {
    if (step.kind === "buildpack") {
      const { id, version } = step.layers.buildpack;
      layers = new Map();
      buildpacks.push({ key: id, version, layers });
    } else if (step.kind === "layer") {
      const diffId = diffIdOf(step);
      if (diffId === undefined) continue;
      if (step.role.kind === "cache-sbom") sbom = diffId;
      else layers.set(step.role.layer.name, layerRecord(step.role.layer, diffId));
    }
  }
  return { sbom, buildpacks };
}
