import type { BuildpackRecord, LayerRecord, LifecycleMetadata } from "../cnb/metadata.ts";
import type { BuildpackLayer } from "../inputs/export-inputs.ts";
import type { AppLayerStep, AppStep, ReuseStep } from "./app-step.ts";

type LayerSteps = AppLayerStep | ReuseStep;

/**
 * The lifecycle metadata of an image whose steps are all done (docs/compatibility.md#labels).
 * @param diffIdOf the diffID of a layer
 * @param runImage the label's run image
 */
export function recordLifecycle(
  steps: readonly AppStep[],
  diffIdOf: (step: LayerSteps) => string,
  runImage: Pick<LifecycleMetadata, "runImage" | "stack">,
): LifecycleMetadata {
  const diffIdsOf = (kind: LayerSteps["role"]["kind"]): string[] =>
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

/** A layer's record: what its TOML says now, and its diffID. */
export function layerRecord({ data, build, launch, cache }: BuildpackLayer, diffId: string): LayerRecord {
  return { diffId, data, build, launch, cache };
}

function isLayerStep(step: AppStep): step is LayerSteps {
  return step.kind === "layer" || step.kind === "reuse";
}

function buildpackRecords(steps: readonly AppStep[], diffIdOf: (step: LayerSteps) => string): BuildpackRecord[] {
  const records: BuildpackRecord[] = [];
  let layers = new Map<string, LayerRecord>();
  for (const step of steps) {
    if (step.kind === "buildpack") {
      const { buildpack, store } = step.layers;
      layers = new Map();
      records.push({
        key: buildpack.id,
        version: buildpack.version,
        layers,
        ...(store === undefined ? {} : { store }),
      });
    } else if (isLayerStep(step) && step.role.kind === "launch") {
      layers.set(step.role.layer.name, layerRecord(step.role.layer, diffIdOf(step)));
    }
  }
  return records;
}
