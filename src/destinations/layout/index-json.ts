import type { Descriptor } from "../../oci/descriptor.ts";
import { OCI_INDEX } from "../../oci/media-types.ts";

/** The annotation that names an image within a layout (image-spec v1.1.1 annotations.md). */
export const REF_NAME = "org.opencontainers.image.ref.name";

/** The file `oci-layout`, byte-identical to go-containerregistry's (docs/compatibility.md#layout-files). */
export const OCI_LAYOUT_TEXT = `{
    "imageLayoutVersion": "1.0.0"
}`;

/**
 * The file `index.json` of a layout with one image, byte-identical to the reference's
 * (docs/compatibility.md#layout-files).
 * @param manifest the image's
 * @param refName tag or digest
 */
export function indexJson({ mediaType, size, digest }: Descriptor, refName: string): string {
  const manifest = { mediaType, size, digest, annotations: { [REF_NAME]: refName } };
  return JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [manifest] }, null, 3);
}
