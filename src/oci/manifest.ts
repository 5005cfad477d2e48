import type { z } from "zod";
import { anything, decodeFirst, type GoType, integer, list, struct, text } from "../go/json-decode.ts";
import { type GoStruct, goJson, goStruct, unlessEmpty } from "../go/json-encode.ts";
import {
  type Descriptor,
  descriptorType,
  isIndexType,
  isManifestType,
  type Platform,
  textRecord,
} from "./descriptor.ts";
import { unreadable } from "./digest.ts";

/**
 * Size limit of a manifest or index, in bytes: twice what distribution-spec v1.1.1 ("Pushing Manifests") requires
 * registries to accept.
 */
export const MAX_MANIFEST_BYTES = 8 << 20;

/** Size limit of a config, in bytes: registries accept larger blobs, and its labels hold all buildpacks' metadata. */
export const MAX_CONFIG_BYTES = 64 << 20;

/** The only version; Go would write 0 if it were absent, which registries reject. */
const SCHEMA_VERSION = 2;

const schemaVersionType = integer.transform((version, context) => {
  if (version !== 0 && version !== SCHEMA_VERSION)
    context.addIssue({ code: "custom", message: `expected schema version ${SCHEMA_VERSION}, got ${version}` });
  return SCHEMA_VERSION;
});

const manifestType = struct({
  schemaVersion: schemaVersionType,
  mediaType: text,
  config: descriptorType,
  layers: list(descriptorType),
  annotations: textRecord,
  artifactType: text,
});

const indexType = struct({ schemaVersion: schemaVersionType, mediaType: text, manifests: list(descriptorType) });

/**
 * Image-spec v1.1.1 manifest.md; `subject` and unknown members are dropped (docs/compatibility.md#inherited-config).
 */
export type ImageManifest = z.output<typeof manifestType>;

export interface ImageIndex {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}

export function parseManifest(bytes: Uint8Array): ImageManifest {
  return parseDocument(bytes, manifestType, "image manifest");
}

export function parseIndex(bytes: Uint8Array): ImageIndex {
  return parseDocument(bytes, indexType, "image index");
}

function parseDocument<T>(bytes: Uint8Array, type: GoType<T>, what: string): T {
  const parsed = decodeFirst(bytes, type);
  if (parsed.ok) return parsed.value;
  throw unreadable("EXPORT_IMAGE_MANIFEST", `invalid ${what}`, parsed.problem);
}

const kindType = struct({ mediaType: text, manifests: anything, layers: anything });

export function isIndex(sentAs: string, bytes: Uint8Array): boolean {
  if (isIndexType(sentAs) || isManifestType(sentAs)) return isIndexType(sentAs);
  const document = decodeFirst(bytes, kindType);
  if (!document.ok) return false;
  const { mediaType, manifests, layers } = document.value;
  return isIndexType(mediaType) || (!isManifestType(mediaType) && manifests !== null && layers === null);
}

const GO_ARCHITECTURES: Readonly<Partial<Record<NodeJS.Architecture, string>>> = {
  x64: "amd64",
  ia32: "386",
  ppc64: "ppc64le",
};

/** Platform of an index entry that names none (go-containerregistry pkg/v1/remote/index.go). */
const UNNAMED_PLATFORM: Platform = { os: "linux", architecture: "amd64" };

/**
 * Linux on this program's architecture, in Go's names; the default of every image (docs/compatibility.md#run-image).
 */
export function ownPlatform(architecture: NodeJS.Architecture = process.arch): Platform {
  return { os: "linux", architecture: GO_ARCHITECTURES[architecture] ?? architecture };
}

export function selectManifest(index: ImageIndex, wanted: Platform): Descriptor | undefined {
  return index.manifests.find(({ platform = UNNAMED_PLATFORM }) => {
    if (platform.os !== wanted.os || platform.architecture !== wanted.architecture) return false;
    return wanted.variant === undefined || platform.variant === wanted.variant;
  });
}

/**
 * The members of the manifests that the exporter writes (image-spec v1.1.1 manifest.md), never with `subject`
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
 * Serializes in the order of ggcr's v1.Manifest with its omission rules
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
