import { gates } from "../cnb/api.ts";
import {
  type CacheMetadata,
  cacheMetadataJson,
  EMPTY_CACHE_METADATA,
  parseCacheMetadata,
} from "../cnb/lifecycle-metadata.ts";
import { CACHE_METADATA_LABEL } from "../cnb/names.ts";
import { awaitedLater } from "../concurrency/task-scope.ts";
import { type BuiltContent, findLayer, type LayerContent, type SourceImage } from "../destinations/destination.ts";
import { missingBlobs } from "../destinations/registry/blobs.ts";
import { rawManifest } from "../destinations/registry/manifests.ts";
import { type StartedPush, startPush } from "../destinations/registry/push.ts";
import {
  type LayerPushOptions,
  type PushedBlob,
  pushLayer,
  type RegistryContent,
} from "../destinations/registry/push-layer.ts";
import type { RegistryRepository } from "../destinations/registry/repository.ts";
import { RegistrySource } from "../destinations/registry/source-image.ts";
import type { TagResult } from "../destinations/registry/tags.ts";
import type { Layer } from "../engine/layer.ts";
import { Fault, failTo, messageOf, withContext } from "../errors/fault.ts";
import { goQuote } from "../go/format.ts";
import { buildCacheImage, cacheConfigBytes, EMPTY_LAYER_BYTES, EMPTY_LAYER_ID } from "../images/cache-image.ts";
import { type BuiltImage, newLayerMediaType } from "../images/image.ts";
import { cacheImageDamage, checkImage, type OwnLayer } from "../images/integrity.ts";
import type { Logger } from "../logger.ts";
import { type Descriptor, OCI_MANIFEST } from "../oci/descriptor.ts";
import type { DiffID, Digest } from "../oci/digest.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { CACHE_PRIORITY } from "../plan/layers.ts";
import type { CacheContext, CacheInput, CacheLayer, CacheStore } from "./cache.ts";

class CacheLayerPush {
  readonly #content: Promise<RegistryContent>;
  readonly #layer: Layer;
  readonly #repository: RegistryRepository;
  readonly #options: LayerPushOptions;
  #pushed: Promise<PushedBlob>;
  #isReleased = false;

  constructor(
    content: Promise<RegistryContent>,
    layer: Layer,
    repository: RegistryRepository,
    options: LayerPushOptions,
  ) {
    this.#content = content;
    this.#layer = layer;
    this.#repository = repository;
    this.#options = options;
    this.#pushed = awaitedLater(this.#push());
  }

  get pushed(): Promise<PushedBlob> {
    return this.#pushed;
  }

  pushIfMissing(digests: readonly Digest[]): void {
    const before = this.#pushed;
    this.#pushed = awaitedLater(
      before.then((pushed) => (digests.includes(pushed.descriptor.digest) ? this.#push() : pushed)),
    );
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#layer.release();
  }

  async #push(): Promise<PushedBlob> {
    const content = await this.#content;
    const isGone = this.#isReleased && content.kind === "existing";
    const left = isGone ? { ...content, otherwise: undefined } : content;
    const pushed = await pushLayer(left, this.#repository, this.#options);
    if (pushed.isCertain) this.release();
    return pushed;
  }
}

interface CacheImage {
  readonly name: string;
  readonly reference: Reference;
  readonly repository: RegistryRepository;
  readonly access: Promise<void>;
  readonly previous: RegistrySource | undefined;
  readonly isCorrupt: boolean;
}

const CORRUPT = /^EXPORT_(?:IMAGE|REGISTRY_(?:DIGEST|NO_PLATFORM))/;

/**
 * The cache as an image (docs/compatibility.md#cache-image). Blobs are pushed as soon as they are compressed. Layers
 * that the app image also needs come from the same pass and, within one registry, from the app image's repository.
 */
export class ImageCache implements CacheStore {
  readonly name: string;
  readonly access: Promise<void>;
  readonly #context: CacheContext;
  readonly #cache: CacheImage;
  readonly #pushes = new Map<CacheLayer, CacheLayerPush>();
  #usable: RegistrySource | undefined;

  private constructor(context: CacheContext, cache: CacheImage) {
    this.name = cache.name;
    this.access = awaitedLater(
      cache.access.catch((error: unknown) => {
        throw savingFault(this.name, error);
      }),
    );
    this.#context = context;
    this.#cache = cache;
  }

  static async open(context: CacheContext, signal: AbortSignal): Promise<ImageCache> {
    const name = context.settings.cacheImage;
    try {
      const reference = parseReference(name);
      const repository = context.registries.repository(reference);
      const access = awaitedLater(repository.checkPush({ priority: CACHE_PRIORITY, signal }));
      const opened = await openPrevious(repository, reference, signal).catch((error: unknown) => {
        // A damaged cache image is replaced, like one whose layers are gone
        // (docs/compatibility.md#damaged-cache-images); otherwise every later build would fail.
        if (error instanceof Fault && CORRUPT.test(error.code)) return { previous: undefined, isCorrupt: true };
        throw error;
      });
      return new ImageCache(context, { name, reference, repository, access, ...opened });
    } catch (error) {
      signal.throwIfAborted();
      throw failTo("create image cache", withContext(`accessing cache image "${name}"`, error));
    }
  }

  async metadata(logger: Logger, signal: AbortSignal): Promise<CacheMetadata> {
    const { previous, isCorrupt, name } = this.#cache;
    if (previous === undefined && !isCorrupt) {
      logger.info("Layer cache not found");
      return EMPTY_CACHE_METADATA;
    }
    const options = { priority: CACHE_PRIORITY, signal };
    const isWhole = previous !== undefined && cacheImageDamage(previous) === undefined;
    if (!isWhole || !(await previous.repository.isComplete(previous.stored, options))) {
      logger.info(`Ignoring cache image ${goQuote(name)} because it was corrupt`);
      return EMPTY_CACHE_METADATA;
    }
    this.#usable = previous;
    return parseCacheMetadata(previous.config.config.Labels.get(CACHE_METADATA_LABEL));
  }

  async add({ step, layer, app }: CacheInput, signal: AbortSignal): Promise<CacheLayer> {
    const { diffId, push } = app === undefined ? await this.#own(layer, signal) : await this.#share(layer, app, signal);
    const isReused = step.previous === diffId;
    // Uploads continue while the next layers are added; commit() reports their failures.
    const adding = { step, diffId, isReused, flaw: undefined, added: Promise.resolve() };
    this.#pushes.set(adding, push);
    return adding;
  }

  async commit(
    layers: readonly CacheLayer[],
    metadata: CacheMetadata,
    appSaved: Promise<void>,
    signal: AbortSignal,
  ): Promise<string> {
    const configBytes = cacheConfigBytes(
      layers.map(({ diffId }) => diffId),
      metadataLabel(metadata),
    );
    const pushes = layers.map((layer) => this.#pushOf(layer));
    const pushImage = async () => {
      const started = this.#startPush(configBytes, layers.length === 0, signal);
      const pushed = await Promise.all(pushes.map(({ pushed }) => pushed));
      const image = buildCacheImage(
        configBytes,
        pushed.map(({ descriptor }) => descriptor),
      );
      checkImage(this.name, image, undefined, this.#ownLayers(layers));
      return { image, result: await this.#pushManifest(image, started, appSaved, signal) };
    };
    try {
      let { image, result } = await pushImage();
      const missing = missingBlobs(result?.error, image);
      if (missing !== undefined) {
        const marked = await this.#cache.repository.markMissing(missing, { priority: CACHE_PRIORITY, signal });
        for (const push of pushes) push.pushIfMissing(marked);
        ({ image, result } = await pushImage());
      }
      if (result?.outcome === "failed") throw result.error;
      await this.#deleteOld(image, signal);
      return image.manifestDescriptor.digest;
    } catch (error) {
      signal.throwIfAborted();
      throw savingFault(this.name, error);
    } finally {
      for (const layer of pushes) layer.release();
    }
  }

  async close(): Promise<void> {}

  #ownLayers(layers: readonly CacheLayer[]): OwnLayer[] {
    if (layers.length === 0) return [{ id: "empty", diffId: EMPTY_LAYER_ID, from: undefined, canBeBuilt: true }];
    return layers.map(({ step, diffId }) => ({ id: step.id, diffId, from: this.#usable, canBeBuilt: true }));
  }

  #startPush(configBytes: Uint8Array, isEmpty: boolean, signal: AbortSignal): StartedPush {
    const { repository, reference } = this.#cache;
    const blobs = isEmpty ? [configBytes, EMPTY_LAYER_BYTES] : [configBytes];
    return startPush(repository, { blobs, names: [reference] }, { priority: CACHE_PRIORITY, signal });
  }

  async #pushManifest(
    image: BuiltImage,
    { blobs, lookups }: StartedPush,
    appSaved: Promise<void>,
    signal: AbortSignal,
  ): Promise<TagResult | undefined> {
    await blobs;
    await appSaved;
    const { repository, reference } = this.#cache;
    const options = { priority: CACHE_PRIORITY, signal };
    const [result] = await repository.putTags([reference], rawManifest(image), options, lookups);
    return result;
  }

  /**
   * Below Platform API 0.13: deletes the image that the tag pointed to before
   * (docs/compatibility.md#no-delete-of-unpushed-images). A failure is a warning.
   */
  async #deleteOld({ manifestDescriptor }: BuiltImage, signal: AbortSignal): Promise<void> {
    const { settings, logger } = this.#context;
    const { repository, previous } = this.#cache;
    if (gates(settings.platformApi).keepsOldCacheImage) return;
    if (previous === undefined || previous.stored.descriptor.digest === manifestDescriptor.digest) return;
    try {
      await repository.deleteManifest(previous.stored.descriptor.digest, { priority: CACHE_PRIORITY, signal });
    } catch (error) {
      signal.throwIfAborted();
      logger.warn(`Unable to delete cache image: ${messageOf(error)}`);
    }
  }

  async #own(layer: Layer, signal: AbortSignal) {
    const built = this.#built(layer);
    const isStreamed = layer.plan.expected.length === 0;
    const known = async () => this.#known(await layer.diffId, built) ?? built;
    const push = this.#push(isStreamed ? Promise.resolve(built) : known(), layer, signal);
    return { diffId: await layer.diffId, push };
  }

  async #share(layer: Layer, { diffId, content, added }: NonNullable<CacheInput["app"]>, signal: AbortSignal) {
    const built = this.#built(layer);
    const known = this.#known(diffId, built);
    const shared = known === undefined ? this.#findShared(built, content, added, signal) : Promise.resolve(known);
    return { diffId, push: this.#push(shared, layer, signal) };
  }

  /** In one registry the app's upload is awaited and mounted from; in two, both follow the growing blob. */
  async #findShared(
    built: BuiltContent,
    content: LayerContent<SourceImage>,
    inApp: Promise<Descriptor>,
    signal: AbortSignal,
  ): Promise<RegistryContent> {
    const { order } = built.layer.plan;
    const { repository, reference } = this.#cache;
    const { repository: appRepository } = this.#context.app;
    if (appRepository?.registry === reference.registry)
      return { kind: "existing", descriptor: await inApp, from: appRepository, otherwise: built };
    // A layer that the app image reused is not compressed for the cache if the cache's registry happens to have it.
    const options = { priority: CACHE_PRIORITY, order, signal };
    const isHere = content.kind === "existing" && (await repository.hasBlob(content.descriptor.digest, options));
    return isHere ? { kind: "existing", descriptor: content.descriptor, from: repository, otherwise: built } : built;
  }

  #known(diffId: DiffID, otherwise: BuiltContent): RegistryContent | undefined {
    const descriptor = findLayer(this.#usable, diffId);
    if (descriptor === undefined) return undefined;
    return { kind: "existing", descriptor, from: this.#cache.repository, otherwise };
  }

  #built(layer: Layer): BuiltContent {
    const mediaType = newLayerMediaType(OCI_MANIFEST, this.#context.settings.tuning.compression);
    return { kind: "built", layer, mediaType: Promise.resolve(mediaType) };
  }

  #push(content: Promise<RegistryContent>, layer: Layer, signal: AbortSignal): CacheLayerPush {
    const { monitor } = this.#context;
    const { id, order } = layer.plan;
    const options = { priority: CACHE_PRIORITY, order, signal, monitor, image: "cache", layer: id } as const;
    return new CacheLayerPush(content, layer, this.#cache.repository, options);
  }

  #pushOf(layer: CacheLayer): CacheLayerPush {
    const push = this.#pushes.get(layer);
    if (push === undefined) throw new Fault("EXPORT_INTERNAL", `layer ${layer.step.id} is not this cache's`);
    return push;
  }
}

function savingFault(name: string, error: unknown): Fault {
  return withContext(`committing cache: saving image '${name}'`, error);
}

function metadataLabel(record: CacheMetadata): string {
  try {
    return cacheMetadataJson(record);
  } catch (error) {
    throw withContext("setting cache metadata: serializing metadata", error);
  }
}

async function openPrevious(repository: RegistryRepository, reference: Reference, signal: AbortSignal) {
  const platform = { os: "linux", architecture: "" };
  const image = await repository.findImage(reference, platform, { priority: CACHE_PRIORITY, signal });
  return { previous: image && new RegistrySource(repository, image), isCorrupt: false };
}
