import { gates, type PlatformApi } from "../cnb/api.ts";
import { type BuildMetadata, buildMetadataLabel, type LauncherRelease } from "../cnb/build-metadata.ts";
import { type LifecycleMetadata, lifecycleMetadataLabel } from "../cnb/lifecycle-metadata.ts";
import {
  BUILD_METADATA_LABEL,
  EXEC_ENV_LABEL,
  LIFECYCLE_METADATA_LABEL,
  PROJECT_METADATA_LABEL,
} from "../cnb/names.ts";
import { type ProjectMetadata, projectMetadataLabel } from "../cnb/project-metadata.ts";
import type { Logger } from "../logger.ts";

export interface LabelInputs {
  readonly lifecycle: LifecycleMetadata;
  readonly build: BuildMetadata;
  readonly project: ProjectMetadata;
  readonly launcher: LauncherRelease;
  readonly execEnv: string;
  readonly platformApi: PlatformApi;
}

/**
 * The run image's labels with those of the app image set (docs/compatibility.md#labels). Buildpack labels come after
 * the platform's and may override them; of several with one key the last wins.
 * @throws Fault for metadata that JSON cannot hold, after logging the labels before it, as the reference does
 */
export function appLabels(
  base: ReadonlyMap<string, string>,
  { lifecycle, build, project, launcher, execEnv, platformApi }: LabelInputs,
  logger: Logger,
): Map<string, string> {
  const labels = new Map(base);
  const set = (key: string, value: string): void => {
    logger.info(`Adding label '${key}'`);
    labels.set(key, value);
  };
  set(LIFECYCLE_METADATA_LABEL, lifecycleMetadataLabel(lifecycle));
  set(BUILD_METADATA_LABEL, buildMetadataLabel(build, launcher, platformApi));
  set(PROJECT_METADATA_LABEL, projectMetadataLabel(project));
  for (const { key, value } of build.labels) set(key, value);
  if (gates(platformApi).hasExecEnvLabel && execEnv !== "") set(EXEC_ENV_LABEL, execEnv);
  return labels;
}
