import type { BomEntry } from "../cnb/build-metadata.ts";
import { groupElement } from "./group-element.ts";
import { freeTable, table, text } from "./toml-schema.ts";

/**
 * An element of the legacy `[[bom]]` of metadata.toml and build.toml (docs/compatibility.md#build-metadata,
 * docs/compatibility.md#report).
 */
export const bomEntry = table({
  name: text,
  version: text,
  metadata: freeTable,
  buildpack: groupElement.optional(),
}).transform(
  ({ name, version, metadata, buildpack }): BomEntry => ({
    name,
    version,
    metadata,
    buildpack: {
      id: buildpack?.id ?? "",
      version: buildpack?.version ?? "",
      optional: buildpack?.optional ?? false,
    },
  }),
);
