import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/digest.ts";
import { type ManifestMembers, manifestBytes } from "../oci/manifest-json.ts";

/** An image as its bytes: what is pushed besides the layers. */
export interface BuiltImage {
  readonly configBytes: Uint8Array;
  readonly configDescriptor: Descriptor;
  readonly manifestBytes: Uint8Array;
  /** `mediaType` is the one to push the manifest with, also where the manifest itself does not say it. */
  readonly manifestDescriptor: Descriptor;
  /** From the bottom, as the manifest lists them. */
  readonly layers: readonly Descriptor[];
}

/**
 * Serializes an image. The manifest's config descriptor keeps its members; digest, size and, if present, the embedded
 * copy of the config are refreshed (docs/compatibility.md#inherited-config).
 * @param mediaType the manifest's, for the registry
 */
export function serialiseImage(configBytes: Buffer, manifest: ManifestMembers, mediaType: string): BuiltImage {
  const configDescriptor: Descriptor = {
    ...manifest.config,
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
