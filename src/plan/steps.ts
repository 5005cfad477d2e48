import { posix } from "node:path";
import type { BuildpackRecord, LayerRecord } from "../cnb/lifecycle-metadata.ts";
import {
  CREATED_BY_CONFIG,
  CREATED_BY_LAUNCHER,
  CREATED_BY_PROCESS_TYPES,
  CREATED_BY_SBOM,
  createdByBuildpack,
  createdBySlice,
  extensionOf,
  LAYER_IDS,
} from "../cnb/names.ts";
import { Fault, withContext } from "../errors/fault.ts";
import { type ByteString, fromByteString, toByteString } from "../go/byte-string.ts";
import { goQuote } from "../go/format.ts";
import type { BuildpackLayer, BuildpackLayers, ExportSettings, ExtensionLayer, PlanInputs } from "./inputs.ts";
import type { DirectorySource, LayerPlan, LayerPlanner, LayerSource } from "./layers.ts";

/**
 * One step of the plan for the app image. Steps are walked in order, each with its log lines
 * (docs/compatibility.md#log-order). A `fault` step is thrown when the walk reaches it; it is always the last one.
 */
export type AppStep = BuildpackStep | AppLayerStep | ReuseStep | FaultStep;

interface BuildpackStep {
  readonly kind: "buildpack";
  readonly layers: BuildpackLayers;
}

interface LaunchRole {
  readonly kind: "launch";
  readonly layer: BuildpackLayer;
}

/**
 * The kind of a layer (docs/compatibility.md#layer-order). An app slice's `number` counts from 1 to `count`, the rest
 * layer included.
 */
type AppLayerRole =
  | { readonly kind: "extension" }
  | LaunchRole
  | { readonly kind: "launch-sbom"; readonly path: string }
  | { readonly kind: "app-slice"; readonly number: number; readonly count: number }
  | { readonly kind: "launcher" }
  | { readonly kind: "config" }
  | { readonly kind: "process-types" };

export interface AppLayerStep {
  readonly kind: "layer";
  readonly role: AppLayerRole;
  readonly id: string;
  readonly createdBy: string;
  readonly key: string;
  readonly previous: readonly string[];
  /** The reference's context of a failure to build the layer. */
  readonly errorContext: string;
}

export interface ReuseStep {
  readonly kind: "reuse";
  readonly role: LaunchRole;
  readonly id: string;
  readonly createdBy: string;
  readonly diffId: string;
  /** The reference's context of a failure to reuse the layer. */
  readonly errorContext: string;
}

interface FaultStep {
  readonly kind: "fault";
  readonly role: LaunchRole | undefined;
  readonly fault: Fault;
}

export type LayerStep = AppLayerStep | ReuseStep;

export function isLayerStep(step: AppStep): step is LayerStep {
  return step.kind === "layer" || step.kind === "reuse";
}

function faultStep(fault: Fault, role?: LaunchRole): FaultStep {
  return { kind: "fault", role, fault };
}

export interface AppPlan {
  readonly layers: readonly LayerPlan[];
  readonly steps: readonly AppStep[];
}

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

export function directorySource(path: ByteString, { uid, gid }: Pick<ExportSettings, "uid" | "gid">): DirectorySource {
  return { kind: "directory", path, uid, gid };
}

export function layersDirectorySource(
  settings: Pick<ExportSettings, "layersDir" | "uid" | "gid">,
  ...below: readonly string[]
): LayerSource {
  return directorySource(toByteString(posix.join(settings.layersDir, ...below)), settings);
}

const FORBIDDEN = "/><:|&\\";

function unencodable(type: string): string {
  return `archive/tar: cannot encode header: invalid PAX record: ${goQuote(`path = /cnb/process/${type}`)}`;
}

/**
 * A fault for the first process type that cannot be the name of a symlink
 * (docs/compatibility.md#launcher-and-process-types); undefined if all are valid.
 * @param context the reference's prefix of the message
 */
function processTypesFault(types: readonly string[], context: string): Fault | undefined {
  for (const type of types) {
    if (type === "") return new Fault("EXPORT_PLAN_PROCESS_TYPE", `${context}: type is required for all processes`);
    if (type.includes("\0")) return new Fault("EXPORT_PLAN_PROCESS_TYPE", `${context}: ${unencodable(type)}`);
    if ([...FORBIDDEN].some((character) => type.includes(character)))
      return new Fault(
        "EXPORT_PLAN_PROCESS_TYPE",
        `${context}: invalid process type '${type}': type may not contain characters '${FORBIDDEN}'`,
      );
  }
  return undefined;
}

export function* sliceSteps({ settings, previous, build }: PlanInputs, planner: LayerPlanner): Generator<AppStep> {
  const { uid, gid } = settings;
  const appDir = toByteString(settings.appDir);
  const slices = build.slices.map(({ paths }) => paths.map(toByteString));
  const count = slices.length + 1;
  for (let index = 0; index < count; index += 1) {
    const number = index + 1;
    const id = `slice-${number}`;
    yield {
      kind: "layer",
      role: { kind: "app-slice", number, count },
      id,
      createdBy: createdBySlice(number, count),
      key: planner.plan(id, { kind: "app-slice", appDir, slices, index, uid, gid }, previous.app),
      previous: previous.app,
      errorContext: "exporting app layers: creating app layers",
    };
  }
}

/**
 * The steps for extension layers. No metadata records them and the log does not mention their reuse, but a blob that
 * the previous image has is not compressed again (docs/compatibility.md#known-blobs).
 * @param previous diffIDs of the previous image's extension layers
 */
export function* extensionSteps(
  layers: readonly ExtensionLayer[],
  previous: readonly string[],
  planner: LayerPlanner,
): Generator<AppStep> {
  for (const { createdBy, ...blob } of layers) {
    const id = `${extensionOf(createdBy) ?? "from extensions"}:extended-layer-${blob.index}`;
    yield {
      kind: "layer",
      role: { kind: "extension" },
      id,
      createdBy,
      key: planner.plan(id, { kind: "extension", ...blob }, previous),
      previous: [],
      errorContext: `failed to create layer from tar path ${fromByteString(blob.path)}`,
    };
  }
}

export function* launchSteps(layers: BuildpackLayers, inputs: PlanInputs, planner: LayerPlanner): Generator<AppStep> {
  yield { kind: "buildpack", layers };
  if (layers.unreadable !== undefined) yield faultStep(layers.unreadable);
  for (const layer of layers.layers) {
    if (layer.launch) yield launchStep(layer, layers, inputs, planner);
  }
  const malformed = layers.layers.filter((layer) => layer.malformed !== undefined);
  if (malformed.length > 0) yield malformedFault(malformed);
}

function launchStep(
  layer: BuildpackLayer,
  { buildpack }: BuildpackLayers,
  { previous, settings }: PlanInputs,
  planner: LayerPlanner,
): AppStep {
  const { id } = layer;
  const createdBy = createdByBuildpack(layer.name, buildpack);
  const record = recordOf(previous.buildpacks, buildpack.id, layer.name);
  const role = { kind: "launch", layer } as const;
  if (layer.hasContents) {
    const diffIds = record === undefined ? [] : [record.diffId];
    const key = planner.plan(id, directorySource(layer.path, settings), diffIds);
    return { kind: "layer", role, id, createdBy, key, previous: diffIds, errorContext: "creating layer" };
  }
  if (layer.cache)
    return faultStep(new Fault("EXPORT_PLAN_CONTENTS", `layer '${id}' is cache=true but has no contents`), role);
  if (record === undefined) {
    const message = `cannot reuse '${id}', previous image has no metadata for layer '${id}'`;
    return faultStep(new Fault("EXPORT_PLAN_REUSE", message), role);
  }
  return { kind: "reuse", role, id, createdBy, diffId: record.diffId, errorContext: `reusing layer: '${id}'` };
}

function malformedFault(malformed: readonly BuildpackLayer[]): FaultStep {
  const ids = malformed.map(({ id }) => id).join(" ");
  const reasons = malformed.map((layer) => layer.malformed).join("; ");
  const message = `failed to parse metadata for layers '[${ids}]'`;
  return faultStep(new Fault("EXPORT_PLAN_MALFORMED", message, { hint: reasons }));
}

export function* launchSbomSteps(inputs: PlanInputs, planner: LayerPlanner): Generator<AppStep> {
  const { settings, previous, hasLaunchSbom } = inputs;
  if (hasLaunchSbom === false) return;
  if (hasLaunchSbom !== true) {
    yield faultStep(withContext("failed to read layers config sbom", hasLaunchSbom));
    return;
  }
  const id = LAYER_IDS.launchSbom;
  const diffIds = previous.sbom === undefined ? [] : [previous.sbom];
  yield {
    kind: "layer",
    role: { kind: "launch-sbom", path: posix.join(settings.layersDir, "sbom", "launch") },
    id,
    createdBy: CREATED_BY_SBOM,
    key: planner.plan(id, layersDirectorySource(settings, "sbom", "launch"), diffIds),
    previous: diffIds,
    errorContext: "creating layer",
  };
}

export function* launcherSteps({ settings, previous, build }: PlanInputs, planner: LayerPlanner): Generator<AppStep> {
  const launcher = LAYER_IDS.launcher;
  yield {
    kind: "layer",
    role: { kind: "launcher" },
    id: launcher,
    createdBy: CREATED_BY_LAUNCHER,
    key: planner.plan(launcher, { kind: "launcher", path: toByteString(settings.launcherPath) }, [previous.launcher]),
    previous: [previous.launcher],
    errorContext: "creating launcher layers",
  };
  const config = LAYER_IDS.config;
  yield {
    kind: "layer",
    role: { kind: "config" },
    id: config,
    createdBy: CREATED_BY_CONFIG,
    key: planner.plan(config, layersDirectorySource(settings, "config"), [previous.config]),
    previous: [previous.config],
    errorContext: "creating layer ''",
  };
  const types = (build.processes ?? []).map(({ type }) => type);
  if (types.length > 0) yield processTypesStep(types, previous.processTypes, planner);
}

function processTypesStep(types: readonly string[], previous: string, planner: LayerPlanner): AppStep {
  const errorContext = "creating layer ''";
  const fault = processTypesFault(types, errorContext);
  if (fault !== undefined) return faultStep(fault);
  const id = LAYER_IDS.processTypes;
  return {
    kind: "layer",
    role: { kind: "process-types" },
    id,
    createdBy: CREATED_BY_PROCESS_TYPES,
    key: planner.plan(id, { kind: "process-types", types: types.map(toByteString) }, [previous]),
    previous: [previous],
    errorContext,
  };
}
