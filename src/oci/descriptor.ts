import { z } from "zod";
import { type Digest, isSha256 } from "./digest.ts";

/** Media types of image-spec v1.1.1 media-types.md and of docker's distribution manifest v2 schema 2. */
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
export const OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";

export const DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
export const DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip";
export const DOCKER_MANIFEST_V1 = "application/vnd.docker.distribution.manifest.v1+json";
export const DOCKER_MANIFEST_V1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/** Layers that a registry may refuse to hold; they are never uploaded (image-spec v1.1.1 layer.md#non-distributable-layers). */
const NON_DISTRIBUTABLE = new Set([
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
]);

export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_MANIFEST_LIST;
}

export function isDistributable(mediaType: string): boolean {
  return !NON_DISTRIBUTABLE.has(mediaType);
}

/** Zod schema of a digest that is at least syntactically a SHA-256. */
export const digestSchema = z.custom<Digest>((value) => typeof value === "string" && isSha256(value), {
  error: "expected sha256:<64 hex digits>",
});

export const platformSchema = z.object({
  architecture: z.string().default(""),
  os: z.string().default(""),
  "os.version": z.string().optional(),
  "os.features": z.array(z.string()).optional(),
  variant: z.string().optional(),
  features: z.array(z.string()).optional(),
});

/** A content descriptor (image-spec v1.1.1 descriptor.md). `size` is in bytes. Unknown members are dropped, as Go's struct does. */
export const descriptorSchema = z.object({
  mediaType: z.string(),
  size: z.int().nonnegative(),
  digest: digestSchema,
  data: z.string().optional(),
  urls: z.array(z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  platform: platformSchema.optional(),
  artifactType: z.string().optional(),
});

export type Platform = z.infer<typeof platformSchema>;
export type Descriptor = z.infer<typeof descriptorSchema>;
