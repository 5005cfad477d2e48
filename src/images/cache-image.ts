import { CACHE_METADATA_LABEL } from "../cnb/names.ts";
import { type Descriptor, OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from "../oci/descriptor.ts";
import { type DiffID, digestOf, parseDiffId } from "../oci/digest.ts";
import { emptyImageConfig, imageConfigBytes } from "../oci/image-config.ts";
import { type BuiltImage, blankEntry, layerIn, NORMALIZED_TIME, serializeImage } from "./image.ts";

/**
 * The only layer of a cache image without layers: an empty, uncompressed tar, because containerd rejects images without
 * layers (docs/compatibility.md#cache-image).
 */
export const EMPTY_LAYER_BYTES: Uint8Array = new Uint8Array(1024);

export const EMPTY_LAYER_ID = parseDiffId(digestOf(EMPTY_LAYER_BYTES));

/**
 * The config of a cache image (docs/compatibility.md#cache-image). Each layer is listed once, where the reference lists
 * reused layers twice (docs/compatibility.md#cached-layers-listed-once); without layers, `EMPTY_LAYER_BYTES` is the
 * only one.
 * @param metadata the label's JSON
 */
export function cacheConfigBytes(layers: readonly DiffID[], metadata: string): Buffer {
  const listed = layers.length === 0 ? [EMPTY_LAYER_ID] : layers;
  const config = emptyImageConfig({ os: "linux", architecture: "" });
  return imageConfigBytes({
    ...config,
    created: NORMALIZED_TIME,
    history: listed.map(() => blankEntry(NORMALIZED_TIME)),
    rootfs: { ...config.rootfs, diff_ids: [...listed] },
    config: { ...config.config, Labels: new Map([[CACHE_METADATA_LABEL, metadata]]) },
  });
}

export function buildCacheImage(configBytes: Buffer, layers: readonly Descriptor[]): BuiltImage {
  return serializeImage(
    configBytes,
    {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, size: 0, digest: digestOf(new Uint8Array()) },
      layers:
        layers.length === 0
          ? [emptyLayer()]
          : layers.map((descriptor) => layerIn(OCI_MANIFEST, descriptor) ?? descriptor),
    },
    OCI_MANIFEST,
  );
}

function emptyLayer(): Descriptor {
  return { mediaType: OCI_LAYER_GZIP, size: EMPTY_LAYER_BYTES.length, digest: digestOf(EMPTY_LAYER_BYTES) };
}
