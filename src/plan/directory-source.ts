import { posix } from "node:path";
import type { ExportSettings } from "../inputs/export-inputs.ts";
import { type ByteString, toByteString } from "../oci/byte-string.ts";
import type { LayerSource } from "./layer-plan.ts";

/** A directory layer owned by the build's user (docs/compatibility.md#entry-order-and-owners). */
export function directorySource(path: ByteString, { uid, gid }: Pick<ExportSettings, "uid" | "gid">): LayerSource {
  return { kind: "directory", path, uid, gid };
}

/** The same for a directory below `<layers>`. */
export function layersDirectorySource(
  settings: Pick<ExportSettings, "layersDir" | "uid" | "gid">,
  ...below: readonly string[]
): LayerSource {
  return directorySource(toByteString(posix.join(settings.layersDir, ...below)), settings);
}
