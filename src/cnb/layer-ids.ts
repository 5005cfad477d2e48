/** Ids of the layers that no buildpack made, as the reference's log shows them (contract 4, 6.2). */
export const LAYER_IDS = {
  launchSbom: "buildpacksio/lifecycle:launch.sbom",
  cacheSbom: "buildpacksio/lifecycle:cache.sbom",
  launcher: "buildpacksio/lifecycle:launcher",
  config: "buildpacksio/lifecycle:config",
  processTypes: "buildpacksio/lifecycle:process-types",
} as const;
