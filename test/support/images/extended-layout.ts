import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../../src/oci/descriptor.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import { blobFile } from "./layout.ts";

/** A layer of an extended run image. The run image's own layers have no blob. */
export interface ExtendedLayer {
  readonly blob: Uint8Array;
  readonly createdBy: string;
  readonly isRunImages?: boolean;
  /** Size in the manifest; default: the blob's. */
  readonly size?: number;
}

export function createdByExtension(instruction: string, extension: string): string {
  return `Layer: '${instruction}', Created by extension: ${extension}`;
}

/**
 * Writes an extended run image as the extender leaves it: a sparse OCI layout in the only entry of `<extended>/run`.
 * @returns the layout's path
 */
export function writeExtendedLayout(
  extendedDir: string,
  layers: readonly ExtendedLayer[],
  config: Readonly<Record<string, unknown>> = {},
): string {
  const path = join(extendedDir, "run", "sha256:0123");
  mkdirSync(join(path, "blobs", "sha256"), { recursive: true });
  const created = "2024-01-01T00:00:00Z";
  const history = layers.flatMap(({ createdBy }) => [
    { created, created_by: `before ${createdBy}`, empty_layer: true },
    { created, created_by: createdBy },
  ]);
  const diffIds = layers.map((_, i) => `sha256:${String(i).repeat(64)}`);
  const put = (document: unknown, mediaType: string) => {
    const bytes = Buffer.from(JSON.stringify(document));
    writeFileSync(blobFile(path, digestOf(bytes)), bytes);
    return { mediaType, size: bytes.length, digest: digestOf(bytes) };
  };
  for (const { blob, isRunImages } of layers) if (!isRunImages) writeFileSync(blobFile(path, digestOf(blob)), blob);
  const image = { architecture: "amd64", os: "linux", history, rootfs: { type: "layers", diff_ids: diffIds }, config };
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: put(image, OCI_CONFIG),
    layers: layers.map(({ blob, size = blob.length }) => ({
      mediaType: OCI_LAYER_GZIP,
      size,
      digest: digestOf(blob),
    })),
  };
  const manifests = [put(manifest, OCI_MANIFEST)];
  writeFileSync(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  return path;
}
