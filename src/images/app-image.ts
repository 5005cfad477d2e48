import type { Logger } from "../flow/logger.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { DiffID } from "../oci/digest.ts";
import { type ContainerConfig, type ImageConfig, imageConfigBytes } from "../oci/image-config.ts";
import type { ManifestMembers } from "../oci/manifest-json.ts";
import { type BuiltImage, serialiseImage } from "./built-image.ts";
import { chooseEntrypoint } from "./entrypoint.ts";
import { appEnvironment, type EnvironmentInputs } from "./environment.ts";
import { imageHistory } from "./history.ts";
import { appLabels, type LabelInputs } from "./labels.ts";

/** The run image that an app image is built upon. */
export interface BaseImage {
  readonly config: ImageConfig;
  readonly manifest: ManifestMembers;
  /** The manifest's, as the registry says it; the manifest itself may be silent about it. */
  readonly mediaType: string;
}

/** A layer of the app image that is not the run image's, as its config tells of it. */
export interface ImageLayer {
  readonly diffId: DiffID;
  readonly createdBy: string;
}

/** What the config of the app image follows from. */
export interface AppImageInputs extends EnvironmentInputs, LabelInputs {
  /** The user's default process type, "" for none. */
  readonly processType: string;
}

/** How the app image is dated. */
export interface AppImageMarks {
  /** From createdTime. */
  readonly created: string;
  /** False below Platform API 0.12. */
  readonly keepsHistory: boolean;
}

/**
 * Labels, environment, working directory, entrypoint and no command, with the reference's log lines in its order
 * (docs/compatibility.md#inherited-config, docs/compatibility.md#labels,
 * docs/compatibility.md#environment-and-entrypoint).
 * @param base the run image's `config`, or that of its extension if that replaces it
 * @param os of the run image
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
 * The app image's config: the run image's with more layers and another `config`
 * (docs/compatibility.md#inherited-config, docs/compatibility.md#created-time). It is known as soon as all layers are
 * hashed, before they have descriptors.
 * @param layers from the bottom, without the run image's
 */
export function appConfigBytes(
  { config: base }: BaseImage,
  layers: readonly ImageLayer[],
  config: ContainerConfig,
  { created, keepsHistory }: AppImageMarks,
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
 * The app image: the run image's manifest with more layers (docs/compatibility.md#inherited-config). Media types,
 * annotations and artifactType stay the run image's.
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
  return serialiseImage(
    configBytes,
    {
      ...manifest,
      layers: [...manifest.layers, ...layers],
      annotations: { ...manifest.annotations, ...annotations },
    },
    mediaType,
  );
}
