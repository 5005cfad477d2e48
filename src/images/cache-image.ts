import { CACHE_METADATA_LABEL } from "../cnb/labels.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type DiffID, digestOf, parseDiffId } from "../oci/digest.ts";
import { emptyImageConfig } from "../oci/image-config.ts";
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST } from "../oci/media-types.ts";
import { type BuiltImage, serialiseImage } from "./built-image.ts";
import { NORMALISED_TIME } from "./created.ts";
import { blankEntry } from "./history.ts";

/** A layer of the cache image: new, or reused from the previous one. Each is listed once, where the reference lists reused ones twice (D1). */
export interface CacheImageLayer {
  readonly descriptor: Descriptor;
  readonly diffId: DiffID;
}

/** The only layer of a cache image without layers: an empty tar, which containerd needs, uncompressed (contract 6.4). */
export const EMPTY_LAYER_BYTES: Uint8Array = new Uint8Array(1024);

/**
 * The manifest and config of a cache image (contract 6.4). Where there are no layers, `EMPTY_LAYER_BYTES` is its layer.
 * @param metadata the label's JSON
 */
export function buildCacheImage(layers: readonly CacheImageLayer[], metadata: string): BuiltImage {
  const listed = layers.length === 0 ? [emptyLayer()] : layers;
  const config = emptyImageConfig({ os: "linux", architecture: "" });
  return serialiseImage(
    {
      ...config,
      created: NORMALISED_TIME,
      history: listed.map(() => blankEntry(NORMALISED_TIME)),
      rootfs: { ...config.rootfs, diff_ids: listed.map(({ diffId }) => diffId) },
      config: { ...config.config, Labels: new Map([[CACHE_METADATA_LABEL, metadata]]) },
    },
    {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, size: 0, digest: digestOf(new Uint8Array()) },
      layers: listed.map(({ descriptor }) => ({ ...descriptor, mediaType: cacheLayerMediaType(descriptor) })),
    },
    OCI_MANIFEST,
  );
}

/** Whatever a reused layer was called before, here it is an OCI layer (contract 5.2). */
function cacheLayerMediaType({ mediaType }: Descriptor): string {
  return mediaType === OCI_LAYER_ZSTD ? OCI_LAYER_ZSTD : OCI_LAYER_GZIP;
}

function emptyLayer(): CacheImageLayer {
  const digest = digestOf(EMPTY_LAYER_BYTES);
  const size = EMPTY_LAYER_BYTES.length;
  return { diffId: parseDiffId(digest), descriptor: { mediaType: OCI_LAYER_GZIP, size, digest } };
}
