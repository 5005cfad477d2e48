import { Fault } from "../faults/fault.ts";
import { DOCKER_LAYER_GZIP, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST } from "../oci/media-types.ts";

/**
 * The media type of a new layer: that of the manifest's kind, where the reference writes Docker's into OCI manifests
 * too (docs/compatibility.md#oci-layer-media-types).
 * @throws Fault for zstd in a Docker manifest, whose media types have no name for it
 */
export function newLayerMediaType(manifestMediaType: string, compression: "gzip" | "zstd"): string {
  if (manifestMediaType !== OCI_MANIFEST) {
    if (compression === "gzip") return DOCKER_LAYER_GZIP;
    throw new Fault(
      "EXPORT_IMAGE_ZSTD",
      `zstd layers need an OCI manifest, and the run image has ${manifestMediaType}`,
      {
        hint: "Leave out -compression zstd, or use a run image with OCI media types.",
      },
    );
  }
  return compression === "zstd" ? OCI_LAYER_ZSTD : OCI_LAYER_GZIP;
}
