import { flag, table, text } from "./toml-schema.ts";

/**
 * An element of group.toml, and of metadata.toml's `buildpacks` and `extensions`
 * (docs/compatibility.md#buildpack-group, docs/compatibility.md#build-metadata).
 */
export const groupElement = table({
  id: text,
  version: text,
  api: text,
  homepage: text,
  optional: flag,
  extension: flag,
});
