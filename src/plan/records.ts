import type { BuildpackRecord, CacheMetadata, LayerRecord, LifecycleMetadata } from "../cnb/lifecycle-metadata.ts";
import type { CacheLayerStep, CacheStep } from "./cache.ts";
import type { BuildpackLayer } from "./inputs.ts";
import { type AppStep, isLayerStep, type LayerStep } from "./steps.ts";

/**
 * The lifecycle metadata of a complete image (docs/compatibility.md#labels).
 * @param runImage the label's run image
 */
export function recordLifecycle(
  steps: readonly AppStep[],
  diffIdOf: (step: LayerStep) => string,
  runImage: Pick<LifecycleMetadata, "runImage" | "stack">,
): LifecycleMetadata {
  const diffIdsOf = (kind: LayerStep["role"]["kind"]): string[] =>
    steps.filter(isLayerStep).flatMap((step) => (step.role.kind === kind ? [diffIdOf(step)] : []));
  return {
    app: diffIdsOf("app-slice"),
    sbom: diffIdsOf("launch-sbom")[0],
    buildpacks: buildpackRecords(steps, diffIdOf),
    config: diffIdsOf("config")[0] ?? "",
    launcher: diffIdsOf("launcher")[0] ?? "",
    processTypes: diffIdsOf("process-types")[0] ?? "",
    ...runImage,
  };
}

function layerRecord({ data, build, launch, cache }: BuildpackLayer, diffId: string): LayerRecord {
  return { diffId, data, build, launch, cache };
}

function buildpackRecords(steps: readonly AppStep[], diffIdOf: (step: LayerStep) => string): BuildpackRecord[] {
  const records: BuildpackRecord[] = [];
  let layers = new Map<string, LayerRecord>();
  for (const step of steps) {
    if (step.kind === "buildpack") {
      const { buildpack, store } = step.layers;
      layers = new Map();
      records.push({ key: buildpack.id, version: buildpack.version, layers, store });
    } else if (isLayerStep(step) && step.role.kind === "launch") {
      layers.set(step.role.layer.name, layerRecord(step.role.layer, diffIdOf(step)));
    }
  }
  return records;
}

/**
 * The metadata of a complete cache: an entry for every buildpack, even one without layers
 * (docs/compatibility.md#cache-metadata).
 * @param diffIdOf undefined for a layer that could not be cached
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
