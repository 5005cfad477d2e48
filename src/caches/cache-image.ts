import {
  type CacheMetadata,
  cacheMetadataJson,
  EMPTY_CACHE_METADATA,
  parseCacheMetadata,
} from "../cnb/lifecycle-metadata.ts";
import { CACHE_METADATA_LABEL } from "../cnb/names.ts";
import { findLayer, type MadeContent } from "../destinations/destination.ts";
import { missingBlobs } from "../destinations/registry/blobs.ts";
import {
  type PlacedBlob,
  type Placing,
  placeLayer,
  type RegistryContent,
} from "../destinations/registry/place-layer.ts";
import type { RegistryRepository } from "../destinations/registry/repository.ts";
import type { RegistryImage } from "../destinations/registry/source-image.ts";
import type { Layer } from "../engine/layer.ts";
import { Fault, withContext } from "../errors/fault.ts";
import type { AppLayer } from "../export/app-layers.ts";
import type { ExportContext } from "../export/context.ts";
import { goQuote } from "../go/format.ts";
import { buildCacheImage, cacheConfigBytes } from "../images/cache-image.ts";
import { type BuiltImage, newLayerMediaType } from "../images/image.ts";
import type { Logger } from "../logger.ts";
import { type Descriptor, OCI_MANIFEST } from "../oci/descriptor.ts";
import type { DiffID, Digest } from "../oci/digest.ts";
import { CACHE_PRIORITY } from "../plan/layers.ts";
import type { CacheInput, CacheLayer, CacheStore } from "./cache.ts";
import { type CacheImage, deleteOldCacheImage, pushCacheEarly, pushCacheImage } from "./cache-image-push.ts";

/** A layer of a cache image on its way to the repository. The layer is freed when its blob is safe there. */
export class CachePlace {
  readonly #content: Promise<RegistryContent>;
  readonly #layer: Layer;
  readonly #repository: RegistryRepository;
  readonly #work: Placing;
  #placed: Promise<PlacedBlob>;
  #isReleased = false;

  /** @param content where its bytes come from, as soon as that is known */
  constructor(content: Promise<RegistryContent>, layer: Layer, repository: RegistryRepository, work: Placing) {
    this.#content = content;
    this.#layer = layer;
    this.#repository = repository;
    this.#work = work;
    this.#placed = this.#place();
  }

  get placed(): Promise<PlacedBlob> {
    return this.#placed;
  }

  /** Brings the layer once more if its blob is one of those that the repository turned out not to have. */
  bringMissing(digests: readonly Digest[]): void {
    const before = this.#placed;
    this.#placed = before.then((placed) => (digests.includes(placed.descriptor.digest) ? this.#place() : placed));
    this.#placed.catch(() => undefined);
  }

  /** The layer is needed no longer, whether or not it got there. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#layer.release();
  }

  #place(): Promise<PlacedBlob> {
    const place = async (): Promise<PlacedBlob> => {
      const content = await this.#content;
      const isGone = this.#isReleased && content.kind === "existing";
      const placed = await placeLayer(
        isGone ? { ...content, otherwise: undefined } : content,
        this.#repository,
        this.#work,
      );
      if (placed.isCertain) this.release();
      return placed;
    };
    const placed = place();
    // One that cannot be made later may be waited for by nobody.
    placed.catch(() => undefined);
    return placed;
  }
}

/**
 * The cache as an image (docs/compatibility.md#cache-image). Blobs are pushed as soon as they are compressed. Layers
 * that the app image needs too come from the same pass and, within one registry, from the app image's repository.
 */
export class ImageCache implements CacheStore {
  readonly name: string;
  readonly access: Promise<void>;
  readonly #context: ExportContext;
  readonly #cache: CacheImage;
  readonly #places = new Map<CacheLayer, CachePlace>();
  /** The previous cache image, if all of it is still there. */
  #usable: RegistryImage | undefined;

  constructor(context: ExportContext, cache: CacheImage) {
    this.name = cache.name;
    this.access = cache.access.catch((error: unknown) => {
      throw savingFault(this.name, error);
    });
    // Who does not make a cache does not ask.
    this.access.catch(() => undefined);
    this.#context = context;
    this.#cache = cache;
  }

  async metadata(logger: Logger, signal: AbortSignal): Promise<CacheMetadata> {
    const { previous, isCorrupt, name } = this.#cache;
    if (previous === undefined && !isCorrupt) {
      logger.info("Layer cache not found");
      return EMPTY_CACHE_METADATA;
    }
    const work = { priority: CACHE_PRIORITY, signal };
    if (previous === undefined || !(await previous.repository.isComplete(previous.image, work))) {
      logger.info(`Ignoring cache image ${goQuote(name)} because it was corrupt`);
      return EMPTY_CACHE_METADATA;
    }
    this.#usable = previous;
    return parseCacheMetadata(previous.config.config.Labels.get(CACHE_METADATA_LABEL));
  }

  async bring({ step, layer, app }: CacheInput, signal: AbortSignal): Promise<CacheLayer> {
    const { diffId, place } =
      app === undefined ? await this.#own(layer, signal) : await this.#share(layer, app, signal);
    const isReused = step.previous === diffId;
    // Uploads go on while the next layers are looked at, and fail all together.
    const brought = { step, diffId, isReused, flaw: undefined, added: Promise.resolve() };
    this.#places.set(brought, place);
    return brought;
  }

  async commit(
    layers: readonly CacheLayer[],
    metadata: CacheMetadata,
    appSaved: Promise<void>,
    signal: AbortSignal,
  ): Promise<string> {
    const diffIds = layers.map(({ diffId }) => diffId);
    const configBytes = cacheConfigBytes(diffIds, metadataLabel(metadata));
    try {
      let image: BuiltImage | undefined;
      const push = async (): Promise<BuiltImage> => {
        const early = pushCacheEarly(configBytes, layers.length === 0, this.#cache, signal);
        const placed = await Promise.all(layers.map((layer) => this.#placeOf(layer).placed));
        const descriptors = placed.map(({ descriptor }) => descriptor);
        image = buildCacheImage(configBytes, descriptors);
        await pushCacheImage(image, early, this.#cache, appSaved, signal);
        return image;
      };
      const pushed = await push().catch((error: unknown) => {
        const missing = image && missingBlobs(error, image);
        if (missing === undefined) throw error;
        this.#bringMissing(layers, missing);
        return push();
      });
      await deleteOldCacheImage(this.#context, this.#cache, pushed, signal);
      return pushed.manifestDescriptor.digest;
    } catch (error) {
      signal.throwIfAborted();
      throw savingFault(this.name, error);
    } finally {
      for (const layer of layers) this.#placeOf(layer).release();
    }
  }

  /** Blobs without an image are the registry's to remove. */
  async close(): Promise<void> {}

  /** Sends what the registry turned out not to have. */
  #bringMissing(layers: readonly CacheLayer[], digests: readonly Digest[]): void {
    const { repository } = this.#cache;
    const list = digests.join(", ");
    this.#context.logger.warn(`${repository.name} does not have what it said to have, sending it: ${list}`);
    repository.distrust(digests);
    for (const layer of layers) this.#placeOf(layer).bringMissing(digests);
  }

  /** A layer of the cache alone: uploaded while it is made, where there is nothing to compare with. */
  async #own(layer: Layer, signal: AbortSignal) {
    const made = this.#made(layer);
    const isStreamed = layer.plan.expected.length === 0;
    const known = async () => this.#known(await layer.diffId, made) ?? made;
    const place = this.#place(isStreamed ? Promise.resolve(made) : known(), layer, signal);
    return { diffId: await layer.diffId, place };
  }

  /** A layer of the app image too: the old cache may have it, the app image's repository surely will. */
  async #share(layer: Layer, { diffId, content, placed }: AppLayer, signal: AbortSignal) {
    const made = this.#made(layer);
    const known = this.#known(diffId, made);
    const shared = known === undefined ? this.#findShared(made, content, placed, signal) : Promise.resolve(known);
    return { diffId, place: this.#place(shared, layer, signal) };
  }

  /** In one registry the app's upload is awaited and mounted from; in two, both follow the blob as it grows. */
  async #findShared(
    made: MadeContent,
    content: AppLayer["content"],
    inApp: Promise<Descriptor>,
    signal: AbortSignal,
  ): Promise<RegistryContent> {
    const { order } = made.layer.plan;
    const { repository, reference } = this.#cache;
    const { appRepository } = this.#context;
    if (appRepository?.registry === reference.registry)
      return { kind: "existing", descriptor: await inApp, from: appRepository, otherwise: made };
    // A layer that the app image reused is not compressed for the cache if the cache's registry happens to have it.
    const work = { priority: CACHE_PRIORITY, order, signal };
    const isHere = content.kind === "existing" && (await repository.hasBlob(content.descriptor.digest, work));
    return isHere ? { kind: "existing", descriptor: content.descriptor, from: repository, otherwise: made } : made;
  }

  /** Where the old cache image has a layer with this diffID, under whatever name. */
  #known(diffId: DiffID, otherwise: MadeContent): RegistryContent | undefined {
    const descriptor = findLayer(this.#usable, diffId);
    if (descriptor === undefined) return undefined;
    return { kind: "existing", descriptor, from: this.#cache.repository, otherwise };
  }

  #made(layer: Layer): MadeContent {
    const mediaType = newLayerMediaType(OCI_MANIFEST, this.#context.settings.tuning.compression);
    return { kind: "made", layer, mediaType: Promise.resolve(mediaType) };
  }

  #place(content: Promise<RegistryContent>, layer: Layer, signal: AbortSignal): CachePlace {
    const { monitor } = this.#context;
    const { id, order } = layer.plan;
    const placing = { priority: CACHE_PRIORITY, order, signal, monitor, image: "cache", layer: id } as const;
    return new CachePlace(content, layer, this.#cache.repository, placing);
  }

  #placeOf(layer: CacheLayer): CachePlace {
    const place = this.#places.get(layer);
    if (place === undefined) throw new Fault("EXPORT_INTERNAL", `layer ${layer.step.id} is not this cache's`);
    return place;
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
