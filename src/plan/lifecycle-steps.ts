import { posix } from "node:path";
import {
  CREATED_BY_CONFIG,
  CREATED_BY_LAUNCHER,
  CREATED_BY_PROCESS_TYPES,
  CREATED_BY_SBOM,
} from "../cnb/created-by.ts";
import { LAYER_IDS } from "../cnb/layer-ids.ts";
import { withContext } from "../faults/fault.ts";
import { toByteString } from "../oci/byte-string.ts";
import type { AppStep } from "./app-step.ts";
import { layersDirectorySource } from "./directory-source.ts";
import type { PlanInputs } from "./plan-app.ts";
import { processTypesFault } from "./process-types-fault.ts";
import type { WantedLayers } from "./wanted-layers.ts";

/** The step for the launch SBOMs, if their directory exists (docs/compatibility.md#layer-order). */
export function* launchSbomSteps(inputs: PlanInputs, wanted: WantedLayers): Generator<AppStep> {
  const { settings, previous, hasLaunchSbom } = inputs;
  if (hasLaunchSbom === false) return;
  if (hasLaunchSbom !== true) {
    yield { kind: "fault", role: undefined, fault: withContext("failed to read layers config sbom", hasLaunchSbom) };
    return;
  }
  const id = LAYER_IDS.launchSbom;
  const diffIds = previous.sbom === undefined ? [] : [previous.sbom];
  yield {
    kind: "layer",
    role: { kind: "launch-sbom", path: posix.join(settings.layersDir, "sbom", "launch") },
    id,
    createdBy: CREATED_BY_SBOM,
    key: wanted.want(id, layersDirectorySource(settings, "sbom", "launch"), diffIds),
    previous: diffIds,
    making: "creating layer",
    adding: `exporting layer '${id}'`,
  };
}

/**
 * The steps for the launcher, its config and, if there are processes, the process types
 * (docs/compatibility.md#layer-order).
 */
export function* launcherSteps({ settings, previous, build }: PlanInputs, wanted: WantedLayers): Generator<AppStep> {
  const launcher = LAYER_IDS.launcher;
  yield {
    kind: "layer",
    role: { kind: "launcher" },
    id: launcher,
    createdBy: CREATED_BY_LAUNCHER,
    key: wanted.want(launcher, { kind: "launcher", path: toByteString(settings.launcherPath) }, [previous.launcher]),
    previous: [previous.launcher],
    making: "creating launcher layers",
    adding: "exporting launcher configLayer",
  };
  const config = LAYER_IDS.config;
  yield {
    kind: "layer",
    role: { kind: "config" },
    id: config,
    createdBy: CREATED_BY_CONFIG,
    key: wanted.want(config, layersDirectorySource(settings, "config"), [previous.config]),
    previous: [previous.config],
    making: "creating layer ''",
    adding: "exporting config layer",
  };
  const types = (build.processes ?? []).map(({ type }) => type);
  if (types.length > 0) yield processTypesStep(types, previous.processTypes, wanted);
}

function processTypesStep(types: readonly string[], previous: string, wanted: WantedLayers): AppStep {
  const making = "creating layer ''";
  const fault = processTypesFault(types, making);
  if (fault !== undefined) return { kind: "fault", role: undefined, fault };
  const id = LAYER_IDS.processTypes;
  return {
    kind: "layer",
    role: { kind: "process-types" },
    id,
    createdBy: CREATED_BY_PROCESS_TYPES,
    key: wanted.want(id, { kind: "process-types", types: types.map(toByteString) }, [previous]),
    previous: [previous],
    making,
    adding: `exporting layer '${id}'`,
  };
}
