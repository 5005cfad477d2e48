/** Image labels of the platform specification (docs/compatibility.md#labels, docs/compatibility.md#cache-metadata). */
export const LIFECYCLE_METADATA_LABEL = "io.buildpacks.lifecycle.metadata";
export const BUILD_METADATA_LABEL = "io.buildpacks.build.metadata";
export const PROJECT_METADATA_LABEL = "io.buildpacks.project.metadata";
export const EXEC_ENV_LABEL = "io.buildpacks.exec-env";
export const CACHE_METADATA_LABEL = "io.buildpacks.lifecycle.cache.metadata";

/**
 * Ids, as logged, of the layers that no buildpack made (docs/compatibility.md#layer-order,
 * docs/compatibility.md#cache-layers).
 */
export const LAYER_IDS = {
  launchSbom: "buildpacksio/lifecycle:launch.sbom",
  cacheSbom: "buildpacksio/lifecycle:cache.sbom",
  launcher: "buildpacksio/lifecycle:launcher",
  config: "buildpacksio/lifecycle:config",
  processTypes: "buildpacksio/lifecycle:process-types",
} as const;

/** The `created_by` of each kind of layer in an image's history (docs/compatibility.md#layer-order). */
export const CREATED_BY_LAUNCHER = "Buildpacks Application Launcher";
export const CREATED_BY_CONFIG = "Buildpacks Launcher Config";
export const CREATED_BY_PROCESS_TYPES = "Buildpacks Process Types";
export const CREATED_BY_SBOM = "Software Bill-of-Materials";

/** For a layer of a buildpack, in the app image and in the cache. */
export function createdByBuildpack(
  layerName: string,
  buildpack: { readonly id: string; readonly version: string },
): string {
  return `Layer: '${layerName}', Created by buildpack: ${buildpack.id}@${buildpack.version}`;
}

const BY_EXTENSION = /^Layer: '.*', Created by extension: (.+)$/s;

/**
 * The id of the image extension that a layer's `created_by` names; undefined if it names none
 * (docs/compatibility.md#extension-ids).
 */
export function extensionOf(createdBy: string): string | undefined {
  return BY_EXTENSION.exec(createdBy)?.[1];
}

/**
 * For an app layer.
 * @param number its position from 1; the rest layer is the last
 * @param count slices and the rest layer together
 */
export function createdBySlice(number: number, count: number): string {
  return count === 1 ? "Application Layer" : `Application Slice: ${number}`;
}
