import type { Descriptor, Platform } from "./descriptor.ts";
import { type GoStruct, goJson, goStruct, unlessEmpty } from "./go-json.ts";

/**
 * The members of an image manifest that the exporter writes (image-spec v1.1.1 manifest.md); `subject` is never kept
 * (docs/compatibility.md#inherited-config).
 */
export interface ManifestMembers {
  readonly schemaVersion: number;
  readonly mediaType?: string | undefined;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly artifactType?: string | undefined;
}

/**
 * The manifest's bytes in the order of ggcr's v1.Manifest and with its rules of omission
 * (docs/compatibility.md#config-and-manifest-members).
 */
export function manifestBytes(manifest: ManifestMembers): Buffer {
  return Buffer.from(
    goJson(
      goStruct({
        schemaVersion: manifest.schemaVersion,
        mediaType: unlessEmpty(manifest.mediaType),
        config: descriptorStruct(manifest.config),
        layers: manifest.layers.map(descriptorStruct),
        annotations: unlessEmpty(manifest.annotations),
        artifactType: unlessEmpty(manifest.artifactType),
      }),
    ),
    "utf8",
  );
}

/** A descriptor in the order of ggcr's v1.Descriptor. */
export function descriptorStruct(descriptor: Descriptor): GoStruct {
  return goStruct({
    mediaType: descriptor.mediaType,
    size: descriptor.size,
    digest: descriptor.digest,
    data: unlessEmpty(descriptor.data),
    urls: unlessEmpty(descriptor.urls),
    annotations: unlessEmpty(descriptor.annotations),
    platform: descriptor.platform === undefined ? undefined : platformStruct(descriptor.platform),
    artifactType: unlessEmpty(descriptor.artifactType),
  });
}

function platformStruct(platform: Platform): GoStruct {
  return goStruct({
    architecture: platform.architecture,
    os: platform.os,
    "os.version": unlessEmpty(platform["os.version"]),
    "os.features": unlessEmpty(platform["os.features"]),
    variant: unlessEmpty(platform.variant),
    features: unlessEmpty(platform.features),
  });
}
