import { gates } from "../cnb/api.ts";
import { type EarlyPush, pushEarly } from "../destinations/registry/push.ts";
import type { RegistryRepository } from "../destinations/registry/repository.ts";
import { RegistryImage } from "../destinations/registry/source-image.ts";
import { Fault, failTo, messageOf, withContext } from "../errors/fault.ts";
import type { ExportContext } from "../export/context.ts";
import { EMPTY_LAYER_BYTES } from "../images/cache-image.ts";
import type { BuiltImage } from "../images/image.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { CACHE_PRIORITY } from "../plan/layers.ts";

/** The cache image's name, and what is under it now. */
export interface CacheImage {
  /** As given. */
  readonly name: string;
  readonly reference: Reference;
  readonly repository: RegistryRepository;
  /** Rejects when the name may not be pushed. */
  readonly access: Promise<void>;
  readonly previous: RegistryImage | undefined;
  /** There is something under the name that cannot be an image, so that it is of no use as a previous one. */
  readonly isCorrupt: boolean;
}

/** What is wrong with bytes that a registry gave out, rather than with the registry. */
const CORRUPT = /^EXPORT_(?:IMAGE|REGISTRY_DIGEST)/;

/**
 * Opens the cache image (docs/compatibility.md#cache-selection). @throws Fault
 * `failed to create image cache: accessing cache image ...`
 */
export async function openCacheImage(context: ExportContext, signal: AbortSignal): Promise<CacheImage> {
  const name = context.settings.cacheImage;
  try {
    const reference = parseReference(name);
    const repository = context.registries.repository(reference);
    const access = repository.checkPush({ priority: CACHE_PRIORITY, signal });
    access.catch(() => undefined);
    const opened = await openPrevious(repository, reference, signal).catch((error: unknown) => {
      // A damaged cache image is replaced, like one whose layers are gone (docs/compatibility.md#damaged-cache-images);
      // it must not break builds for good.
      if (error instanceof Fault && CORRUPT.test(error.code)) return { previous: undefined, isCorrupt: true };
      throw error;
    });
    return { name, reference, repository, access, ...opened };
  } catch (error) {
    signal.throwIfAborted();
    throw failTo("create image cache", withContext(`accessing cache image "${name}"`, error));
  }
}

async function openPrevious(repository: RegistryRepository, reference: Reference, signal: AbortSignal) {
  const platform = { os: "linux", architecture: "" };
  const image = await repository.findImage(reference, platform, { priority: CACHE_PRIORITY, signal });
  return { previous: image && new RegistryImage(repository, image), isCorrupt: false };
}

/** Starts to put the config, and the empty layer of an image without any. */
export function pushCacheEarly(
  configBytes: Uint8Array,
  isEmpty: boolean,
  { repository, reference }: CacheImage,
  signal: AbortSignal,
): EarlyPush {
  const blobs = isEmpty ? [configBytes, EMPTY_LAYER_BYTES] : [configBytes];
  return pushEarly(repository, { blobs, names: [reference] }, { priority: CACHE_PRIORITY, signal });
}

/** Puts a cache image whose layers are in its repository; its name points to it once the app image was saved. */
export async function pushCacheImage(
  image: BuiltImage,
  { blobs, lookups }: EarlyPush,
  { repository, reference }: CacheImage,
  appSaved: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  await blobs;
  await appSaved;
  const work = { priority: CACHE_PRIORITY, signal };
  const { digest, mediaType } = image.manifestDescriptor;
  const manifest = { digest, mediaType, bytes: Buffer.from(image.manifestBytes) };
  const [result] = await repository.putTags([reference], manifest, work, lookups);
  if (result?.outcome === "failed") throw result.error;
}

/**
 * Below Platform API 0.13: deletes the image that the tag pointed to before, if there was one
 * (docs/compatibility.md#no-delete-of-unpushed-images). A failure is a warning.
 */
export async function deleteOldCacheImage(
  { settings, logger }: ExportContext,
  { repository, previous }: CacheImage,
  { manifestDescriptor }: BuiltImage,
  signal: AbortSignal,
): Promise<void> {
  if (gates(settings.platformApi).keepsOldCacheImage) return;
  if (previous === undefined || previous.image.descriptor.digest === manifestDescriptor.digest) return;
  try {
    await repository.deleteManifest(previous.image.descriptor.digest, { priority: CACHE_PRIORITY, signal });
  } catch (error) {
    signal.throwIfAborted();
    logger.warn(`Unable to delete cache image: ${messageOf(error)}`);
  }
}
