import { Fault } from "../errors/fault.ts";
import { goUnixTime } from "../go/time.ts";
import {
  type Descriptor,
  DOCKER_CONFIG,
  DOCKER_LAYER_GZIP,
  DOCKER_LAYER_TAR,
  OCI_CONFIG,
  OCI_LAYER_GZIP,
  OCI_LAYER_TAR,
  OCI_LAYER_ZSTD,
  OCI_MANIFEST,
} from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import type { HistoryEntry } from "../oci/image-config.ts";
import { type ManifestMembers, manifestBytes } from "../oci/manifest.ts";

export const NORMALIZED_TIME = "1980-01-01T00:00:01Z";

/**
 * The `created` of the app image (docs/compatibility.md#created-time). Cache images always have the normalized time.
 * @param sourceDateEpoch seconds since 1970, undefined if unset or ignored at this Platform API
 */
export function createdTime(sourceDateEpoch: bigint | undefined): string {
  return sourceDateEpoch === undefined ? NORMALIZED_TIME : goUnixTime(sourceDateEpoch);
}

export function blankEntry(created: string): HistoryEntry {
  return { author: "", created, created_by: "", comment: "", empty_layer: false };
}

/**
 * One history entry for every layer, each with the image's time (docs/compatibility.md#history). The run image's
 * entries for empty layers are dropped; if the rest does not match its layers, all of them become blank.
 * @param createdBy of the added layers, from the bottom
 * @param keeps false below Platform API 0.12: all entries are blank
 */
export function imageHistory(
  base: readonly HistoryEntry[],
  baseLayers: number,
  createdBy: readonly string[],
  created: string,
  keeps: boolean,
): HistoryEntry[] {
  const blank = blankEntry(created);
  if (!keeps) return Array.from({ length: baseLayers + createdBy.length }, () => blank);
  const own = base.filter((entry) => !entry.empty_layer);
  const kept = own.length === baseLayers ? own : Array.from({ length: baseLayers }, () => blank);
  return [
    ...kept.map((entry) => ({ ...entry, created })),
    ...createdBy.map((text) => ({ ...blank, created_by: text })),
  ];
}

/** The media types of a layer, by the kind of manifest that lists it. Docker has none for zstd. */
const LAYER_TYPES = {
  none: { oci: OCI_LAYER_TAR, docker: DOCKER_LAYER_TAR },
  gzip: { oci: OCI_LAYER_GZIP, docker: DOCKER_LAYER_GZIP },
  zstd: { oci: OCI_LAYER_ZSTD, docker: undefined },
} as const;

/**
 * The media type of a new layer: that of the manifest's kind, where the reference writes Docker's into OCI manifests
 * too (docs/compatibility.md#oci-layer-media-types).
 * @throws Fault for zstd in a Docker manifest, which has no media type for it
 */
export function newLayerMediaType(manifestMediaType: string, compression: "gzip" | "zstd"): string {
  const mediaType = LAYER_TYPES[compression][kindOf(manifestMediaType)];
  if (mediaType !== undefined) return mediaType;
  throw new Fault("EXPORT_IMAGE_ZSTD", `zstd layers need an OCI manifest, and the run image has ${manifestMediaType}`);
}

/**
 * A layer as a manifest of this kind lists it (docs/compatibility.md#reused-layer-types): podman and skopeo reject
 * OCI's layer types in Docker's manifests.
 * @returns undefined if manifests of this kind have no type for it
 */
export function layerIn(manifestMediaType: string, layer: Descriptor): Descriptor | undefined {
  const types = Object.values(LAYER_TYPES).find(
    ({ oci, docker }) => oci === layer.mediaType || docker === layer.mediaType,
  );
  if (types === undefined) return layer;
  const mediaType = types[kindOf(manifestMediaType)];
  return mediaType && { ...layer, mediaType };
}

function kindOf(manifestMediaType: string): "oci" | "docker" {
  return manifestMediaType === OCI_MANIFEST ? "oci" : "docker";
}

export interface BuiltImage {
  readonly configBytes: Uint8Array;
  readonly configDescriptor: Descriptor;
  readonly manifestBytes: Uint8Array;
  readonly manifestDescriptor: Descriptor;
  readonly layers: readonly Descriptor[];
}

/**
 * Serializes an image. The manifest's config descriptor keeps its members; digest, size and, if present, the embedded
 * copy of the config are refreshed (docs/compatibility.md#inherited-config). Adds a missing media type: without it
 * tools mistake the config for something else.
 * @param mediaType the manifest's, for the registry
 */
export function serializeImage(configBytes: Buffer, manifest: ManifestMembers, mediaType: string): BuiltImage {
  const configDescriptor: Descriptor = {
    ...manifest.config,
    mediaType: manifest.config.mediaType || (mediaType === OCI_MANIFEST ? OCI_CONFIG : DOCKER_CONFIG),
    digest: digestOf(configBytes),
    size: configBytes.length,
    ...(manifest.config.data === undefined ? {} : { data: configBytes.toString("base64") }),
  };
  const bytes = manifestBytes({ ...manifest, config: configDescriptor });
  return {
    configBytes,
    configDescriptor,
    manifestBytes: bytes,
    manifestDescriptor: { mediaType, digest: digestOf(bytes), size: bytes.length },
    layers: manifest.layers,
  };
}
