import { posix } from "node:path";
import { formatApiVersion, type PlatformApi } from "../cnb/api.ts";
import type { BuildMetadata } from "../cnb/build-metadata.ts";
import { Fault } from "../errors/fault.ts";
import { hintLine } from "../errors/printable.ts";
import type { Logger } from "../logger.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { DiffID } from "../oci/digest.ts";
import { type ContainerConfig, type ImageConfig, imageConfigBytes } from "../oci/image-config.ts";
import type { ManifestMembers } from "../oci/manifest.ts";
import { type BuiltImage, imageHistory, serializeImage } from "./image.ts";
import { appLabels, type LabelInputs } from "./labels.ts";

const PROCESS_DIR = "/cnb/process";
const LAUNCHER = "/cnb/lifecycle/launcher";

/**
 * The path that the app image starts (docs/compatibility.md#environment-and-entrypoint). A buildpack's default type is
 * not checked.
 * @param requested the user's default process type, "" for none
 * @throws Fault `determining entrypoint: ...` if there is no process of the requested type
 */
export function chooseEntrypoint(
  requested: string,
  { processes, defaultProcessType }: Pick<BuildMetadata, "processes" | "defaultProcessType">,
  logger: Logger,
): string {
  if (requested !== "" && !(processes ?? []).some(({ type }) => type === requested))
    throw new Fault(
      "EXPORT_IMAGE_PROCESS_TYPE",
      `determining entrypoint: tried to set ${requested} to default but it doesn't exist`,
      { hint: knownTypes((processes ?? []).map(({ type }) => type)) },
    );
  const type = requested || defaultProcessType;
  if (type === "") {
    logger.info("no default process type");
    return LAUNCHER;
  }
  logger.info(`Setting default process type '${type}'`);
  return posix.join(PROCESS_DIR, type);
}

function knownTypes(types: readonly string[]): string {
  if (types.length === 0) return "Leave out -process-type (CNB_PROCESS_TYPE): the build has no process types.";
  return hintLine`Give one of the known process types with -process-type (CNB_PROCESS_TYPE): ${types.join(", ")}.`;
}

export interface EnvironmentInputs {
  readonly layersDir: string;
  readonly appDir: string;
  readonly platformApi: PlatformApi;
}

/**
 * The environment of the app image: the run image's with the CNB variables set and `PATH` prefixed
 * (docs/compatibility.md#environment-and-entrypoint).
 * @param env entries `NAME=value` of the run image
 * @param os of the image; names are case-insensitive on windows only
 */
export function appEnvironment(
  env: readonly string[],
  os: string,
  { layersDir, appDir, platformApi }: EnvironmentInputs,
  logger: Logger,
): string[] {
  const variables: [name: string, value: string][] = [
    ["CNB_LAYERS_DIR", layersDir],
    ["CNB_APP_DIR", appDir],
    ["CNB_PLATFORM_API", formatApiVersion(platformApi)],
    ["CNB_DEPRECATION_MODE", "quiet"],
  ];
  let result = [...env];
  for (const [name, value] of variables) {
    logger.debug(`Setting ${name}=${value}`);
    result = withVariable(result, name, value, os);
  }
  const path = `/cnb/process:/cnb/lifecycle:${variableValue(result, "PATH")}`;
  logger.debug("Prepending /cnb/process and /cnb/lifecycle to PATH");
  return withVariable(result, "PATH", path, os);
}

/**
 * The first entry's value, "" if there is none. Unlike the reference, finds values that contain `=`
 * (docs/compatibility.md#path-with-equals-sign).
 */
function variableValue(env: readonly string[], name: string): string {
  return env.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
}

function withVariable(env: readonly string[], name: string, value: string, os: string): string[] {
  const fold = (text: string): string => (os === "windows" ? text.toUpperCase() : text);
  const index = env.findIndex((entry) => fold(entry.split("=", 1)[0] ?? "") === fold(name));
  const entry = `${name}=${value}`;
  return index < 0 ? [...env, entry] : env.with(index, entry);
}

/**
 * The diffID of the run image's last layer, before any layer is added (docs/compatibility.md#labels, `topLayer`).
 * @throws Fault `image has no layers`; the caller adds the context
 */
export function runImageTopLayer(config: ImageConfig): DiffID {
  const top = config.rootfs.diff_ids.at(-1);
  if (top === undefined) throw new Fault("EXPORT_IMAGE_NO_LAYERS", "image has no layers");
  return top;
}

export interface BaseImage {
  readonly config: ImageConfig;
  readonly manifest: ManifestMembers;
  readonly mediaType: string;
}

export interface ImageLayer {
  readonly diffId: DiffID;
  readonly createdBy: string;
}

export interface AppImageInputs extends EnvironmentInputs, LabelInputs {
  readonly processType: string;
}

export interface AppConfigOptions {
  readonly created: string;
  readonly keepsHistory: boolean;
}

/**
 * Labels, environment, working directory, entrypoint and no command, with the reference's log lines in its order
 * (docs/compatibility.md#inherited-config, docs/compatibility.md#labels,
 * docs/compatibility.md#environment-and-entrypoint).
 * @param base the run image's `config`, or that of its extension if that replaces it
 */
export function appContainerConfig(
  base: ContainerConfig,
  os: string,
  inputs: AppImageInputs,
  logger: Logger,
): ContainerConfig {
  const Labels = appLabels(base.Labels, inputs, logger);
  const Env = appEnvironment(base.Env, os, inputs, logger);
  logger.debug(`Setting WORKDIR: '${inputs.appDir}'`);
  const entrypoint = chooseEntrypoint(inputs.processType, inputs.build, logger);
  logger.debug(`Setting ENTRYPOINT: '${entrypoint}'`);
  return { ...base, Labels, Env, WorkingDir: inputs.appDir, Entrypoint: [entrypoint], Cmd: [] };
}

/**
 * The run image's config with more layers and another `config` (docs/compatibility.md#inherited-config,
 * docs/compatibility.md#created-time). Available as soon as all layers are hashed, before they have descriptors.
 * @param layers from the bottom, without the run image's
 */
export function appConfigBytes(
  { config: base }: BaseImage,
  layers: readonly ImageLayer[],
  config: ContainerConfig,
  { created, keepsHistory }: AppConfigOptions,
): Buffer {
  const diffIds = base.rootfs.diff_ids;
  const createdBy = layers.map((layer) => layer.createdBy);
  return imageConfigBytes({
    ...base,
    config,
    created,
    container: "",
    history: imageHistory(base.history, diffIds.length, createdBy, created, keepsHistory),
    rootfs: { ...base.rootfs, diff_ids: [...diffIds, ...layers.map(({ diffId }) => diffId)] },
  });
}

/**
 * The run image's manifest with more layers (docs/compatibility.md#inherited-config). Media types, annotations and
 * artifactType stay the run image's.
 * @param configBytes from {@link appConfigBytes}
 * @param layers from the bottom, without the run image's
 * @param annotations to set besides the run image's
 */
export function buildAppImage(
  base: BaseImage,
  configBytes: Buffer,
  layers: readonly Descriptor[],
  annotations: Readonly<Record<string, string>> = {},
): BuiltImage {
  const { manifest, mediaType } = base;
  return serializeImage(
    configBytes,
    {
      ...manifest,
      layers: [...manifest.layers, ...layers],
      annotations: { ...manifest.annotations, ...annotations },
    },
    mediaType,
  );
}
