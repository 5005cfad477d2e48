import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../../src/oci/descriptor.ts";
import { digestOf } from "../../../src/oci/digest.ts";

export function testImage(layers: readonly Buffer[], architecture = "amd64") {
  const config = Buffer.from(
    JSON.stringify({ architecture, os: "linux", rootfs: { type: "layers", diff_ids: [] }, config: {} }),
  );
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, size: config.length, digest: digestOf(config) },
      layers: layers.map((layer) => ({ mediaType: OCI_LAYER_GZIP, size: layer.length, digest: digestOf(layer) })),
    }),
  );
  return { config, manifest: { bytes, digest: digestOf(bytes), mediaType: OCI_MANIFEST } };
}

export function testIndex(
  children: readonly { readonly bytes: Buffer; readonly architecture: string; readonly mediaType?: string }[],
) {
  const manifests = children.map(({ bytes, architecture, mediaType = OCI_MANIFEST }) => ({
    mediaType,
    size: bytes.length,
    digest: digestOf(bytes),
    platform: { os: "linux", architecture },
  }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
  return { bytes, digest: digestOf(bytes), mediaType: OCI_INDEX };
}
