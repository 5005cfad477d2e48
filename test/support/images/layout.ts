import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { z } from "zod";
import { OCI_MANIFEST } from "../../../src/oci/descriptor.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import { smallRunImage } from "./run-image.ts";

/**
 * Writes a small OCI run image as a layout.
 * @param isSparse omits its layer
 * @returns its reference in analyzed.toml
 */
export async function writeRunLayout(path: string, isSparse = false, image = smallRunImage()): Promise<string> {
  const { layer, config, manifest } = await image;
  mkdirSync(join(path, "blobs", "sha256"), { recursive: true });
  for (const bytes of isSparse ? [config, manifest] : [layer, config, manifest])
    writeFileSync(blobFile(path, digestOf(bytes)), bytes);
  const descriptor = { mediaType: OCI_MANIFEST, size: manifest.length, digest: digestOf(manifest) };
  writeFileSync(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
  writeFileSync(join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  return `${path}@${descriptor.digest}`;
}

export function blobFile(path: string, digest: string): string {
  return join(path, "blobs", ...digest.split(":"));
}

const annotationsSchema = z.record(z.string(), z.string()).default({});
const descriptorSchema = z.object({ mediaType: z.string(), digest: z.string(), size: z.number() });
const imageIndexSchema = z.object({
  manifests: z.array(descriptorSchema.extend({ platform: z.object({ architecture: z.string(), os: z.string() }) })),
});
const indexSchema = z.object({
  manifests: z.tuple([descriptorSchema.extend({ annotations: annotationsSchema })]),
});
const manifestSchema = z.object({
  config: descriptorSchema,
  layers: z.array(descriptorSchema),
  annotations: annotationsSchema,
});
const configSchema = z.object({
  architecture: z.string(),
  os: z.string(),
  rootfs: z.object({ diff_ids: z.array(z.string()) }),
  config: z.object({ Labels: z.record(z.string(), z.string()) }),
});

/** Sizes are in bytes. */
export interface VerifiedLayout {
  readonly digest: string;
  readonly manifestSize: number;
  readonly refName: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  /** From the bottom; a sparse layout lists layers that it does not have. */
  readonly layers: readonly { readonly digest: string; readonly diffId: string; readonly isHere: boolean }[];
  readonly labels: Readonly<Record<string, string>>;
  /** Digests of the image's blobs that the layout has. */
  readonly blobs: ReadonlySet<string>;
}

/**
 * Reads a layout and recomputes every digest, size and diffID of the blobs that it has.
 * @param architecture selects an image of an index
 * @throws Error that names what is wrong
 */
export function verifyLayout(path: string, architecture?: string): VerifiedLayout {
  const [{ annotations, ...top }] = indexSchema.parse(
    JSON.parse(readFileSync(join(path, "index.json"), "utf8")),
  ).manifests;
  const entry = { ...(architecture === undefined ? top : imageFor(path, top, architecture)), annotations };
  const manifest = manifestSchema.parse(JSON.parse(readVerified(path, entry).toString()));
  const { rootfs, config, ...platform } = configSchema.parse(
    JSON.parse(readVerified(path, manifest.config).toString()),
  );
  if (architecture !== undefined && (platform.architecture !== architecture || platform.os !== "linux"))
    throw new Error(`the image of ${path} for linux/${architecture} is for ${platform.os}/${platform.architecture}`);
  const layers = manifest.layers.map((layer, i) => {
    const diffId = rootfs.diff_ids[i] ?? "";
    const isHere = existsSync(blobFile(path, layer.digest));
    const decompress = layer.mediaType.endsWith("+zstd") ? zstdDecompressSync : gunzipSync;
    if (isHere && digestOf(decompress(readVerified(path, layer))) !== diffId)
      throw new Error(`layer ${i} of ${path} is not ${diffId}`);
    return { digest: layer.digest, diffId, isHere };
  });
  const here = layers.filter(({ isHere }) => isHere).map(({ digest }) => digest);
  return {
    digest: entry.digest,
    manifestSize: entry.size,
    refName: entry.annotations["org.opencontainers.image.ref.name"],
    annotations: manifest.annotations,
    layers,
    labels: config.Labels,
    blobs: new Set([entry.digest, manifest.config.digest, ...here]),
  };
}

function imageFor(path: string, index: z.infer<typeof descriptorSchema>, architecture: string) {
  const { manifests } = imageIndexSchema.parse(JSON.parse(readVerified(path, index).toString()));
  const found = manifests.filter(({ platform }) => platform.architecture === architecture && platform.os === "linux");
  if (found[0] === undefined || found.length > 1)
    throw new Error(`${path} has ${found.length} images for linux/${architecture}`);
  return found[0];
}

/** Reads a blob. @throws Error if its digest or size differs */
export function readVerified(
  path: string,
  { digest, size }: { readonly digest: string; readonly size: number },
): Buffer {
  const bytes = readFileSync(blobFile(path, digest));
  if (digestOf(bytes) !== digest || bytes.length !== size) throw new Error(`${digest} of ${path} has other bytes`);
  return bytes;
}
