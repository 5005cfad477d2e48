import { cacheMetadataJson, EMPTY_CACHE_METADATA, parseCacheMetadata } from "../cnb/cache-metadata.ts";
import { CACHE_METADATA_LABEL } from "../cnb/labels.ts";
import type { CacheMetadata } from "../cnb/metadata.ts";
import { gates } from "../cnb/platform-api.ts";
import { messageOf, withContext } from "../faults/fault.ts";
import { goQuote } from "../faults/go-quote.ts";
import type { Logger } from "../flow/logger.ts";
import type { BuiltImage } from "../images/built-image.ts";
import { buildCacheImage, EMPTY_LAYER_BYTES } from "../images/cache-image.ts";
import type { Digest } from "../oci/digest.ts";
import { recordCache } from "../plan/cache-record.ts";
import { CACHE_PRIORITY } from "../plan/layer-plan.ts";
import { planCache } from "../plan/plan-cache.ts";
import { startTimer } from "../report/timer.ts";
import type { AppLayers } from "./app-layers.ts";
import { CacheLayers } from "./cache-layers.ts";
import type { ExportContext } from "./context.ts";
import type { CacheImage } from "./open-cache-image.ts";
import type { Preparation } from "./preparation.ts";

/** What the cache is made from. */
export interface CacheParts {
  readonly preparation: Preparation;
  readonly cache: CacheImage;
  readonly app: AppLayers;
  /** Settles when it is known whether the app image was saved. */
  readonly appSaved: Promise<void>;
}

/**
 * Makes the cache image and saves it (contract 6.2, 6.4). Its blobs go as soon as they are made; its name points to them
 * only when the app image was saved, so that no cache belongs to an app image that failed (D5).
 * @returns the digest of the cache image
 */
export async function exportCacheImage(
  context: ExportContext,
  { preparation, cache, app, appSaved }: CacheParts,
  signal: AbortSignal,
): Promise<Digest> {
  const { logger } = context;
  const endTimer = startTimer("Cache", logger);
  try {
    const usable = { ...cache, previous: await usablePrevious(cache, logger, signal) };
    const plan = planCache(preparation.inputs, preparation.plan, metadataOf(usable));
    const layers = await new CacheLayers(context, plan, usable, app, signal).walk(logger);
    const diffIds = new Map(layers.map(({ step, diffId }) => [step, diffId]));
    const record = recordCache(plan.steps, (step) => diffIds.get(step));
    const label = metadataLabel(record);
    const placed = layers.map(async ({ diffId, placed }) => ({ diffId, descriptor: await placed }));
    const image = await wrapped(`committing cache: saving image '${cache.name}'`, signal, async () => {
      const built = buildCacheImage(await Promise.all(placed), label);
      await putConfig(built, cache, signal);
      await appSaved;
      await putManifest(built, cache, signal);
      return built;
    });
    if (!gates(context.settings.platformApi).keepsOldCacheImage) await deleteOld(cache, image, logger, signal);
    return image.manifestDescriptor.digest;
  } finally {
    endTimer();
  }
}

function metadataLabel(record: CacheMetadata): string {
  try {
    return cacheMetadataJson(record);
  } catch (error) {
    throw withContext("setting cache metadata: serializing metadata", error);
  }
}

async function wrapped<T>(what: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    signal.throwIfAborted();
    throw withContext(what, error);
  }
}

/** The previous cache image, unless there is none or something of it is gone. */
async function usablePrevious({ name, previous, isCorrupt }: CacheImage, logger: Logger, signal: AbortSignal) {
  if (previous === undefined && !isCorrupt) {
    logger.info("Layer cache not found");
    return undefined;
  }
  const work = { priority: CACHE_PRIORITY, signal };
  if (previous !== undefined && (await previous.repository.isComplete(previous.image, work))) return previous;
  logger.info(`Ignoring cache image ${goQuote(name)} because it was corrupt`);
  return undefined;
}

function metadataOf({ previous }: CacheImage): CacheMetadata {
  if (previous === undefined) return EMPTY_CACHE_METADATA;
  return parseCacheMetadata(previous.config.config.Labels.get(CACHE_METADATA_LABEL));
}

/** Puts the config, and the empty layer of an image without any. */
async function putConfig(image: BuiltImage, { repository }: CacheImage, signal: AbortSignal): Promise<void> {
  const work = { priority: CACHE_PRIORITY, signal };
  const isEmpty = image.layers.length === 1 && image.layers[0]?.size === EMPTY_LAYER_BYTES.length;
  await Promise.all([
    repository.putBytes(image.configBytes, work),
    isEmpty ? repository.putBytes(EMPTY_LAYER_BYTES, work) : undefined,
  ]);
}

async function putManifest(
  image: BuiltImage,
  { repository, reference }: CacheImage,
  signal: AbortSignal,
): Promise<void> {
  const work = { priority: CACHE_PRIORITY, signal };
  const { digest, mediaType } = image.manifestDescriptor;
  const [result] = await repository.putTags(
    [reference],
    { digest, mediaType, bytes: Buffer.from(image.manifestBytes) },
    work,
  );
  if (result?.outcome === "failed") throw result.error;
}

/** Deletes the image that the tag pointed to before; one that there was, unlike in the reference (contract 6.4, D17). */
async function deleteOld(
  { repository, previous }: CacheImage,
  { manifestDescriptor }: BuiltImage,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  if (previous === undefined || previous.image.descriptor.digest === manifestDescriptor.digest) return;
  try {
    await repository.deleteManifest(previous.image.descriptor.digest, { priority: CACHE_PRIORITY, signal });
  } catch (error) {
    signal.throwIfAborted();
    logger.warn(`Unable to delete cache image: ${messageOf(error)}`);
  }
}
