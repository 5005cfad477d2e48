import { Fault, withContext } from "../faults/fault.ts";
import { type GoStruct, type GoValue, goJson, goStruct, unlessEmpty } from "../oci/go-json.ts";
import { bomEntryStruct } from "./bom-entry-struct.ts";
import type { BuildMetadata, GroupElement, LauncherRelease, Process } from "./build-metadata.ts";
import { gates, type PlatformApi } from "./platform-api.ts";

/**
 * The value of the label `io.buildpacks.build.metadata`, byte-identical to the reference's
 * (docs/compatibility.md#labels).
 * @throws Fault `parse build metadata: ...` for values that JSON cannot hold and, below Platform API 0.10, for a
 *   process without a command, on which the reference crashes (docs/compatibility.md#no-crashes)
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
      hint: "Below Platform API 0.10 every process in config/metadata.toml needs a command.",
    });
  return first;
}
