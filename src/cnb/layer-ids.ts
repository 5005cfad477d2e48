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
