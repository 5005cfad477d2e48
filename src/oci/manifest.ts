import type { z } from "zod";
import { type GoStruct, goJson, goStruct, unlessEmpty } from "../go/json.ts";
import { anything, decodeFirst, type GoType, integer, list, struct, text } from "../go/json-decode.ts";
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
 * Longest manifest, index or config that is read into memory, in bytes: twice what distribution-spec v1.1.1 ("Pushing
 * Manifests") tells everybody to be ready for.
 */
export const MAX_DOCUMENT_BYTES = 8 << 20;

/** The only version; Go writes 0 for one that is absent, which registries refuse. */
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
 * An image manifest (image-spec v1.1.1 manifest.md). `subject` and unknown members are dropped
 * (docs/compatibility.md#inherited-config).
 */
export type ImageManifest = z.output<typeof manifestType>;

/** An image index or manifest list (image-spec v1.1.1 image-index.md). */
export interface ImageIndex {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}

/** @throws Fault when the bytes are no image manifest */
export function parseManifest(bytes: Uint8Array): ImageManifest {
  return parseDocument(bytes, manifestType, "image manifest");
}

/** @throws Fault when the bytes are no image index or manifest list */
export function parseIndex(bytes: Uint8Array): ImageIndex {
  return parseDocument(bytes, indexType, "image index");
}

function parseDocument<T>(bytes: Uint8Array, type: GoType<T>, what: string): T {
  const parsed = decodeFirst(bytes, type);
  if (parsed.ok) return parsed.value;
  throw unreadable("EXPORT_IMAGE_MANIFEST", `invalid ${what}`, parsed.problem);
}

const kindType = struct({ mediaType: text, manifests: anything, layers: anything });

/** True when the document is an index: by the media type it was sent with, by its own, or by what it contains. */
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

/** What an entry of an index without a platform is taken for (go-containerregistry pkg/v1/remote/index.go). */
const UNNAMED_PLATFORM: Platform = { os: "linux", architecture: "amd64" };

/**
 * linux on the processor that this program runs on, in Go's words; the default of every image
 * (docs/compatibility.md#run-image).
 */
export function ownPlatform(architecture: NodeJS.Architecture = process.arch): Platform {
  return { os: "linux", architecture: GO_ARCHITECTURES[architecture] ?? architecture };
}

/** The first manifest of an index that is for the wanted operating system and architecture. */
export function selectManifest(index: ImageIndex, wanted: Platform): Descriptor | undefined {
  return index.manifests.find(({ platform = UNNAMED_PLATFORM }) => {
    if (platform.os !== wanted.os || platform.architecture !== wanted.architecture) return false;
    return wanted.variant === undefined || platform.variant === wanted.variant;
  });
}

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
