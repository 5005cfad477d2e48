import { type GoStruct, goStruct, unlessEmpty } from "../oci/go-json.ts";
import type { BomEntry } from "./build-metadata.ts";

/**
 * A legacy BOM entry with its members in the reference's order, for the label and for report.toml
 * (docs/compatibility.md#labels, docs/compatibility.md#report).
 */
export function bomEntryStruct({ name, version, metadata, buildpack }: BomEntry): GoStruct {
  return goStruct({
    name,
    version: unlessEmpty(version),
    metadata,
    buildpack: goStruct({
      id: buildpack.id,
      version: buildpack.version,
      optional: unlessEmpty(buildpack.optional),
    }),
  });
}
