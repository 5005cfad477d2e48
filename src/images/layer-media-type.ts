import { DOCKER_LAYER_GZIP, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST } from "../oci/media-types.ts";

/**
 * The media type of a new layer: that of the manifest's kind, where the reference writes docker's into OCI manifests too
 * (contract 5.2, D12).
 * @param compression zstd is for OCI manifests only; docker's media types have no name for it
 */
export function newLayerMediaType(manifestMediaType: string, compression: "gzip" | "zstd"): string {
  if (manifestMediaType !== OCI_MANIFEST) return DOCKER_LAYER_GZIP;
  return compression === "zstd" ? OCI_LAYER_ZSTD : OCI_LAYER_GZIP;
}
