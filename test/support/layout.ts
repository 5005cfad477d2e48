import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../../src/oci/digest.ts";
import { OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { smallRunImage } from "./run-image.ts";

/**
 * Writes a small OCI run image as a layout.
 * @param isSparse without its layer
 * @returns how analyzed.toml names it
 */
export async function writeRunLayout(path: string, isSparse = false): Promise<string> {
  const { layer, config, manifest } = await smallRunImage();
  mkdirSync(join(path, "blobs", "sha256"), { recursive: true });
  for (const bytes of isSparse ? [config, manifest] : [layer, config, manifest])
    writeFileSync(blobFile(path, digestOf(bytes)), bytes);
  const descriptor = { mediaType: OCI_MANIFEST, size: manifest.length, digest: digestOf(manifest) };
  writeFileSync(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
  writeFileSync(join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  return `${path}@${descriptor.digest}`;
}

/** Where a layout has a blob. */
export function blobFile(path: string, digest: string): string {
  return join(path, "blobs", ...digest.split(":"));
}

/** Takes a blob out of a layout, as a platform does that has it elsewhere. */
export function removeBlob(path: string, digest: string): void {
  rmSync(blobFile(path, digest));
}
