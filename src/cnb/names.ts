export const LIFECYCLE_METADATA_LABEL = "io.buildpacks.lifecycle.metadata";
export const BUILD_METADATA_LABEL = "io.buildpacks.build.metadata";
export const PROJECT_METADATA_LABEL = "io.buildpacks.project.metadata";
export const EXEC_ENV_LABEL = "io.buildpacks.exec-env";
export const CACHE_METADATA_LABEL = "io.buildpacks.lifecycle.cache.metadata";

export const LAYER_IDS = {
  launchSbom: "buildpacksio/lifecycle:launch.sbom",
  cacheSbom: "buildpacksio/lifecycle:cache.sbom",
  launcher: "buildpacksio/lifecycle:launcher",
  config: "buildpacksio/lifecycle:config",
  processTypes: "buildpacksio/lifecycle:process-types",
} as const;

export const CREATED_BY_LAUNCHER = "Buildpacks Application Launcher";
export const CREATED_BY_CONFIG = "Buildpacks Launcher Config";
export const CREATED_BY_PROCESS_TYPES = "Buildpacks Process Types";
export const CREATED_BY_SBOM = "Software Bill-of-Materials";

export function createdByBuildpack(
  layerName: string,
  buildpack: { readonly id: string; readonly version: string },
): string {
  return `Layer: '${layerName}', Created by buildpack: ${buildpack.id}@${buildpack.version}`;
}

const BY_EXTENSION = /^Layer: '.*', Created by extension: (.+)$/s;

export function extensionOf(createdBy: string): string | undefined {
  return BY_EXTENSION.exec(createdBy)?.[1];
}

export function createdBySlice(number: number, count: number): string {
  return count === 1 ? "Application Layer" : `Application Slice: ${number}`;
}
