import { Fault, withContext } from "../errors/fault.ts";
import { type GoStruct, type GoValue, goJson, goStruct, unlessEmpty } from "../go/json-encode.ts";
import { gates, type PlatformApi } from "./api.ts";
import type { FreeValue } from "./lifecycle-metadata.ts";

export interface GroupElement {
  readonly id: string;
  readonly version: string;
  readonly api: string;
  readonly homepage: string;
  readonly optional: boolean;
  readonly extension: boolean;
}

export interface Process {
  readonly type: string;
  readonly command: readonly string[] | null;
  readonly args: readonly string[] | null;
  readonly direct: boolean;
  readonly default: boolean;
  readonly buildpackId: string;
  readonly workingDir: string;
  readonly execEnv: readonly string[];
}

export interface BomEntry {
  readonly name: string;
  readonly version: string;
  readonly metadata: FreeValue;
  /** Only report.toml has `extension`. */
  readonly buildpack: Pick<GroupElement, "id" | "version" | "optional"> & Partial<Pick<GroupElement, "extension">>;
}

/**
 * metadata.toml (docs/compatibility.md#build-metadata). null means an absent key, which the label distinguishes from an
 * empty array.
 */
export interface BuildMetadata {
  readonly bom: readonly BomEntry[] | null;
  readonly buildpacks: readonly GroupElement[] | null;
  readonly extensions: readonly GroupElement[] | null;
  readonly labels: readonly { readonly key: string; readonly value: string }[];
  readonly processes: readonly Process[] | null;
  readonly slices: readonly { readonly paths: readonly string[] }[];
  readonly defaultProcessType: string;
}

export interface LauncherRelease {
  readonly version: string;
  readonly repository: string;
  readonly commit: string;
}

export function bomEntryStruct({ name, version, metadata, buildpack }: BomEntry): GoStruct {
  return goStruct({
    name,
    version: unlessEmpty(version),
    metadata,
    buildpack: goStruct({
      id: buildpack.id,
      version: buildpack.version,
      extension: unlessEmpty(buildpack.extension),
      optional: unlessEmpty(buildpack.optional),
    }),
  });
}

/**
 * The value of the label `io.buildpacks.build.metadata`, byte-identical to the reference's
 * (docs/compatibility.md#labels).
 * @throws Fault `parse build metadata: ...` for values that JSON cannot hold and, below Platform API 0.10, for a
 * process without a command, on which the reference crashes (docs/compatibility.md#no-crashes)
 */
export function buildMetadataLabel(metadata: BuildMetadata, launcher: LauncherRelease, api: PlatformApi): string {
  const { omitsBom, hasCommandArray } = gates(api);
  const { repository, commit } = launcher;
  try {
    return goJson(
      goStruct({
        bom: omitsBom ? undefined : orNull(metadata.bom, bomEntryStruct),
        buildpacks: orNull(metadata.buildpacks, elementJson),
        extensions: unlessEmpty((metadata.extensions ?? []).map(elementJson)),
        launcher: goStruct({
          version: launcher.version,
          source: goStruct({ git: goStruct({ repository, commit }) }),
        }),
        processes: orNull(metadata.processes, (process) => processJson(process, hasCommandArray)),
        "buildpack-default-process-type": unlessEmpty(metadata.defaultProcessType),
      }),
    );
  } catch (error) {
    throw withContext("parse build metadata", error);
  }
}

function orNull<T>(values: readonly T[] | null, toJson: (value: T) => GoValue): GoValue {
  return values === null ? null : values.map(toJson);
}

function elementJson({ id, version, homepage, optional }: GroupElement): GoStruct {
  return goStruct({ id, version, homepage: unlessEmpty(homepage), optional: unlessEmpty(optional) });
}

function processJson(process: Process, hasCommandArray: boolean): GoStruct {
  return goStruct({
    type: process.type,
    command: hasCommandArray ? process.command : onlyCommand(process),
    args: process.args,
    direct: process.direct,
    default: unlessEmpty(process.default),
    buildpackID: process.buildpackId,
    "working-dir": unlessEmpty(process.workingDir),
    "exec-env": unlessEmpty(process.execEnv),
  });
}

function onlyCommand({ type, command }: Process): string {
  const [first] = command ?? [];
  if (first === undefined)
    throw new Fault("EXPORT_IMAGE_COMMAND", `process '${type}' has no command`, {
      hint: "Give every process in config/metadata.toml a command: Platform APIs below 0.10 require one.",
    });
  return first;
}
