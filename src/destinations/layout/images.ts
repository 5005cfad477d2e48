import { join, posix } from "node:path";
import { Fault, withContext } from "../../errors/fault.ts";
import { hintLine } from "../../errors/printable.ts";
import { isNotExist } from "../../go/errno.ts";
import { type Descriptor, DOCKER_MANIFEST, OCI_MANIFEST } from "../../oci/descriptor.ts";
import { type Digest, digestProblem, parseDigest } from "../../oci/digest.ts";
import { type ImageManifest, parseIndex, parseManifest } from "../../oci/manifest.ts";
import { readBlob, readDocument } from "./blobs.ts";

export interface LayoutIdentifier {
  readonly path: string;
  readonly digest: Digest;
}

export function parseIdentifier(text: string): LayoutIdentifier {
  const [path = "", hash, ...more] = text.split("@");
  if (hash === undefined || more.length > 0)
    throw new Fault("EXPORT_LAYOUT_IDENTIFIER", `identifier ${text} does not have the format '[path]@[digest]'`);
  return { path: clean(path), digest: parseHash(hash) };
}

/** Go's path.Clean, which unlike normalize() removes a trailing slash. */
function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

function parseHash(text: string): Digest {
  const problem = digestProblem(text);
  if (problem === undefined) return parseDigest(text);
  throw new Fault("EXPORT_LAYOUT_IDENTIFIER", problem);
}

export interface LayoutImage {
  readonly path: string;
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly configBytes: Buffer;
}

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

const OF_REGISTRY = " If that is an image in a registry, run the analyzer with -layout, or leave out -layout here.";

export async function openImage(path: string): Promise<LayoutImage> {
  const image = await findImage(path);
  if (image !== undefined) return image;
  throw new Fault("EXPORT_LAYOUT_MISSING", `no OCI layout at ${path}`, {
    destination: path,
    hint: hintLine`Check the path: there is no ${join(path, "index.json")}.${posix.isAbsolute(path) ? "" : OF_REGISTRY}`,
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

/** Like the reference, accepts only an index with one manifest, whatever its platform. */
function theImage(bytes: Buffer): Descriptor {
  try {
    const [first, ...more] = parseIndex(bytes).manifests;
    if (first === undefined) throw new Fault("EXPORT_LAYOUT_INDEX", "failed to find manifest at index");
    if (more.length > 0)
      throw new Fault("EXPORT_LAYOUT_INDEX", "failed to find manifest matching platform {amd64 linux  }");
    if (first.mediaType !== OCI_MANIFEST && first.mediaType !== DOCKER_MANIFEST)
      throw new Fault("EXPORT_LAYOUT_INDEX", `unexpected media type for ${first.digest}: ${first.mediaType}`);
    return first;
  } catch (error) {
    throw withContext("failed to load image from index", error);
  }
}
