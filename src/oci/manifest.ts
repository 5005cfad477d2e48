import { z } from "zod";
import { Fault } from "../errors/fault.ts";
import { type GoStruct, goJson, goStruct, unlessEmpty } from "../go/json.ts";
import { type Descriptor, descriptorSchema, isIndexType, type Platform } from "./descriptor.ts";

/**
 * Longest manifest, index or config that is read into memory, in bytes: twice what distribution-spec v1.1.1 ("Pushing
 * Manifests") tells everybody to be ready for.
 */
export const MAX_DOCUMENT_BYTES = 8 << 20;

/**
 * An image manifest (image-spec v1.1.1 manifest.md). `subject` and unknown members are dropped
 * (docs/compatibility.md#inherited-config).
 */
export const imageManifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptorSchema,
  layers: z
    .array(descriptorSchema)
    .nullish()
    .transform((layers) => layers ?? []),
  annotations: z.record(z.string(), z.string()).optional(),
  artifactType: z.string().optional(),
});

const indexSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(descriptorSchema),
});

export type ImageManifest = z.infer<typeof imageManifestSchema>;
export type ImageIndex = z.infer<typeof indexSchema>;

/** @throws Fault when the bytes are no image manifest */
export function parseManifest(bytes: Uint8Array): ImageManifest {
  return parseDocument(bytes, imageManifestSchema, "image manifest");
}

/** @throws Fault when the bytes are no image index or manifest list */
export function parseIndex(bytes: Uint8Array): ImageIndex {
  return parseDocument(bytes, indexSchema, "image index");
}

function parseDocument<T>(bytes: Uint8Array, schema: z.ZodType<T>, what: string): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error).replaceAll("\n", " ") : "not JSON";
    throw new Fault("EXPORT_IMAGE_MANIFEST", `invalid ${what}: ${reason}`, { cause: error });
  }
}

/** True when the document is an index: by its media type, or by what it contains if that says nothing. */
export function isIndex(mediaType: string, bytes: Uint8Array): boolean {
  if (mediaType !== "" && mediaType !== "application/json") return isIndexType(mediaType);
  return Buffer.from(bytes).includes('"manifests"') && !Buffer.from(bytes).includes('"layers"');
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
