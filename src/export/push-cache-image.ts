import { gates } from "../cnb/platform-api.ts";
import { messageOf } from "../faults/fault.ts";
import type { BuiltImage } from "../images/built-image.ts";
import { EMPTY_LAYER_BYTES } from "../images/cache-image.ts";
import { CACHE_PRIORITY } from "../plan/layer-plan.ts";
import type { ExportContext } from "./context.ts";
import { type EarlyPush, pushEarly } from "./early-push.ts";
import type { CacheImage } from "./open-cache-image.ts";

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
