import { createdByBuildpack } from "../cnb/created-by.ts";
import { Fault } from "../faults/fault.ts";
import type { BuildpackLayer, BuildpackLayers } from "../inputs/export-inputs.ts";
import type { AppStep, FaultStep } from "./app-step.ts";
import { directorySource } from "./directory-source.ts";
import type { PlanInputs } from "./plan-app.ts";
import { recordOf } from "./previous-record.ts";
import type { WantedLayers } from "./wanted-layers.ts";

/** The steps for one buildpack of the group (docs/compatibility.md#launch-layers). */
export function* launchSteps(layers: BuildpackLayers, inputs: PlanInputs, wanted: WantedLayers): Generator<AppStep> {
  yield { kind: "buildpack", layers };
  if (layers.unreadable !== undefined) yield { kind: "fault", role: undefined, fault: layers.unreadable };
  for (const layer of layers.layers) {
    if (layer.launch) yield launchStep(layer, layers, inputs, wanted);
  }
  const malformed = layers.layers.filter((layer) => layer.malformed !== undefined);
  if (malformed.length > 0) yield malformedFault(malformed);
}

function launchStep(
  layer: BuildpackLayer,
  { buildpack }: BuildpackLayers,
  { previous, settings }: PlanInputs,
  wanted: WantedLayers,
): AppStep {
  const { id } = layer;
  const createdBy = createdByBuildpack(layer.name, buildpack);
  const record = recordOf(previous.buildpacks, buildpack.id, layer.name);
  const role = { kind: "launch", layer } as const;
  if (layer.hasContents) {
    const diffIds = record === undefined ? [] : [record.diffId];
    const key = wanted.want(id, directorySource(layer.path, settings), diffIds);
    return { kind: "layer", role, id, createdBy, key, previous: diffIds, making: "creating layer", adding: "" };
  }
  if (layer.cache) return fault(role, "CONTENTS", `layer '${id}' is cache=true but has no contents`);
  if (record === undefined)
    return fault(role, "REUSE", `cannot reuse '${id}', previous image has no metadata for layer '${id}'`);
  return { kind: "reuse", role, id, createdBy, diffId: record.diffId, adding: `reusing layer: '${id}'` };
}

function fault(role: FaultStep["role"], what: string, message: string): FaultStep {
  return { kind: "fault", role, fault: new Fault(`EXPORT_PLAN_${what}`, message) };
}

function malformedFault(malformed: readonly BuildpackLayer[]): FaultStep {
  const ids = malformed.map(({ id }) => id).join(" ");
  const reasons = malformed.map((layer) => layer.malformed).join("; ");
  return {
    kind: "fault",
    role: undefined,
    fault: new Fault("EXPORT_PLAN_MALFORMED", `failed to parse metadata for layers '[${ids}]'`, { hint: reasons }),
  };
}
