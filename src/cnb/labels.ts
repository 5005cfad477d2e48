/** Image labels of the platform specification (docs/compatibility.md#labels, docs/compatibility.md#cache-metadata). */
export const LIFECYCLE_METADATA_LABEL = "io.buildpacks.lifecycle.metadata";
export const BUILD_METADATA_LABEL = "io.buildpacks.build.metadata";
export const PROJECT_METADATA_LABEL = "io.buildpacks.project.metadata";
export const EXEC_ENV_LABEL = "io.buildpacks.exec-env";
export const CACHE_METADATA_LABEL = "io.buildpacks.lifecycle.cache.metadata";
