import { base64, type GoType, integer, list, mapOf, pointer, struct, text } from "../go/json-decode.ts";
import { type Digest, digestType } from "./digest.ts";

/** Media types of image-spec v1.1.1 media-types.md and of Docker's distribution manifest v2 schema 2. */
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER_TAR = "application/vnd.oci.image.layer.v1.tar";
export const OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
export const OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";

export const DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
export const DOCKER_LAYER_TAR = "application/vnd.docker.image.rootfs.diff.tar";
export const DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip";
export const DOCKER_MANIFEST_V1 = "application/vnd.docker.distribution.manifest.v1+json";
export const DOCKER_MANIFEST_V1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/**
 * Layers that may not be redistributed; they are never uploaded (image-spec v1.1.1 layer.md#non-distributable-layers).
 */
const NON_DISTRIBUTABLE = new Set([
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
]);

export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_MANIFEST_LIST;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;
}

export function isDistributable(mediaType: string): boolean {
  return !NON_DISTRIBUTABLE.has(mediaType);
}

export interface Platform {
  readonly architecture: string;
  readonly os: string;
  readonly "os.version"?: string | undefined;
  readonly "os.features"?: readonly string[] | undefined;
  readonly variant?: string | undefined;
  readonly features?: readonly string[] | undefined;
}

/** Image-spec v1.1.1 descriptor.md, with the members of go-containerregistry's v1.Descriptor; `size` is in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly size: number;
  readonly digest: Digest;
  readonly data?: string | undefined;
  readonly urls?: readonly string[] | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly platform?: Platform | undefined;
  readonly artifactType?: string | undefined;
}

export const textRecord: GoType<Readonly<Record<string, string>>> = mapOf(text).transform((map) =>
  Object.fromEntries(map),
);

const sizeType = integer.refine((size) => size >= 0, "expected a size in bytes");

const platformType = struct({
  architecture: text,
  os: text,
  "os.version": text,
  "os.features": list(text),
  variant: text,
  features: list(text),
});

export const descriptorType: GoType<Descriptor> = struct({
  mediaType: text,
  size: sizeType,
  digest: digestType,
  data: base64,
  urls: list(text),
  annotations: textRecord,
  platform: pointer(platformType),
  artifactType: text,
});
