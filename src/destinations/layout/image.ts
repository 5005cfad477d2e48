import { join } from "node:path";
import { Fault, withContext } from "../../faults/fault.ts";
import { isNotExist } from "../../faults/system-error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type ImageManifest, parseIndex, parseManifest } from "../../oci/manifest.ts";
import { DOCKER_MANIFEST, OCI_MANIFEST } from "../../oci/media-types.ts";
import { readBlob } from "./blob.ts";
import { readDocument } from "./document.ts";

/** An image in a layout; layers may be absent (docs/compatibility.md#layout-files). */
export interface LayoutImage {
  /** Of the layout. */
  readonly path: string;
  /** Of the manifest, as the layout's index has it. */
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly configBytes: Buffer;
}

/**
 * Finds the one image of a layout; undefined when there is no layout at that path (imgutil layout/new.go).
 * @throws Fault `failed to load image from index: ...` or `failed to get config: ...`
 */
export async function findImage(path: string): Promise<LayoutImage | undefined> {
  const bytes = await readIndex(path);
  if (bytes === undefined) return undefined;
  const descriptor = theImage(bytes);
  try {
    const manifest = parseManifest(await readBlob(path, descriptor.digest));
    return { path, descriptor, manifest, configBytes: await readBlob(path, manifest.config.digest) };
  } catch (error) {
    throw withContext("failed to get config", error);
  }
}

/** Like {@link findImage}. @throws Fault also if there is no layout (docs/compatibility.md#missing-run-image) */
export async function openImage(path: string): Promise<LayoutImage> {
  const image = await findImage(path);
  if (image !== undefined) return image;
  throw new Fault("EXPORT_LAYOUT_MISSING", `no OCI layout at ${path}`, {
    destination: path,
    hint: `Is "${path}" the right path? There is no ${join(path, "index.json")}.`,
  });
}

async function readIndex(path: string): Promise<Buffer | undefined> {
  const file = join(path, "index.json");
  try {
    return await readDocument(file);
  } catch (error) {
    if (error instanceof Fault && isNotExist(error.cause)) return undefined;
    throw withContext("failed to load index", error);
  }
}

/** The reference takes no other index than one with a single manifest, whatever the platform. */
function theImage(bytes: Buffer): Descriptor {
  try {
    const [first, ...more] = parseIndex(bytes).manifests;
    if (first === undefined) throw new Fault("EXPORT_LAYOUT_INDEX", "failed to find manifest at index");
    if (more.length > 0)
      throw new Fault("EXPORT_LAYOUT_INDEX", "failed to find manifest matching platform {amd64 linux  }", {
        hint: "The layout must hold exactly one image.",
      });
    if (first.mediaType !== OCI_MANIFEST && first.mediaType !== DOCKER_MANIFEST)
      throw new Fault("EXPORT_LAYOUT_INDEX", `unexpected media type for ${first.digest}: ${first.mediaType}`);
    return first;
  } catch (error) {
    throw withContext("failed to load image from index", error);
  }
}
