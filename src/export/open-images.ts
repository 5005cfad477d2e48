import type { RemoteImage } from "../destinations/registry/image.ts";
import type { RegistryRepository } from "../destinations/registry/repository.ts";
import { Fault, failTo, withContext } from "../faults/fault.ts";
import type { BaseImage } from "../images/app-image.ts";
import { newLayerMediaType } from "../images/layer-media-type.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { DiffID } from "../oci/digest.ts";
import { type ImageConfig, parseImageConfig } from "../oci/image-config.ts";
import { ownPlatform } from "../oci/manifest.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { APP_PRIORITY, CACHE_PRIORITY } from "../plan/layer-plan.ts";
import type { ExportContext } from "./context.ts";

/** An image that layers may be taken from. */
export interface LayerProvider {
  readonly repository: RegistryRepository;
  readonly image: RemoteImage;
  readonly config: ImageConfig;
}

/** The run image: what is built upon, and what the metadata label calls it. */
export interface RunImage extends LayerProvider, BaseImage {
  /** `<repository>@<digest>` of the selected manifest. */
  readonly reference: string;
}

function provider(repository: RegistryRepository, image: RemoteImage): LayerProvider {
  const config = parseImageConfig(image.configBytes, image.reference.name);
  if (config.rootfs.diff_ids.length === image.manifest.layers.length) return { repository, image, config };
  const counts = `${image.manifest.layers.length} layers and ${config.rootfs.diff_ids.length} diffIDs`;
  throw new Fault("EXPORT_IMAGE_LAYERS", `image ${image.reference.name} is inconsistent: it has ${counts}`);
}

/**
 * Opens the run image (contract 5.1).
 * @throws Fault `failed to create new app image: ...`, at once when it is missing (D11)
 */
async function openRunImage(context: ExportContext, signal: AbortSignal): Promise<RunImage> {
  const reference = parseReference(context.settings.runImage);
  const repository = context.registries.repository(reference);
  try {
    const image = await repository.openImage(reference, ownPlatform(), { priority: APP_PRIORITY, signal });
    const opened = provider(repository, image);
    if (opened.config.rootfs.diff_ids.length === 0)
      throw new Fault("EXPORT_IMAGE_NO_LAYERS", "image has no layers", { destination: reference.name });
    const { manifest, descriptor } = image;
    // Fails here, before anything was made, where the run image cannot take such layers.
    newLayerMediaType(descriptor.mediaType, context.settings.tuning.compression);
    return { ...opened, manifest, mediaType: descriptor.mediaType, reference: image.reference.name };
  } catch (error) {
    signal.throwIfAborted();
    throw failTo("create new app image", error);
  }
}

/** Opens the previous image; undefined when there is none, or when it is gone. */
async function openPreviousImage(context: ExportContext, signal: AbortSignal): Promise<LayerProvider | undefined> {
  const { previousImage } = context.analyzed;
  if (previousImage === "") return undefined;
  try {
    const reference = parseReference(previousImage);
    const repository = context.registries.repository(reference);
    const image = await repository.findImage(reference, ownPlatform(), { priority: APP_PRIORITY, signal });
    return image && provider(repository, image);
  } catch (error) {
    signal.throwIfAborted();
    throw failTo("create new app image", error);
  }
}

/** The cache image's name, and what is under it now. */
export interface CacheImage {
  /** As given. */
  readonly name: string;
  readonly reference: Reference;
  readonly repository: RegistryRepository;
  readonly previous: LayerProvider | undefined;
}

/** Opens the cache image (contract 6.1, 6.4). @throws Fault `failed to create image cache: accessing cache image ...` */
async function openCacheImage(context: ExportContext, signal: AbortSignal): Promise<CacheImage | undefined> {
  const name = context.settings.cacheImage;
  if (name === "") return undefined;
  try {
    const reference = parseReference(name);
    const repository = context.registries.repository(reference);
    const platform = { os: "linux", architecture: "" };
    const image = await repository.findImage(reference, platform, { priority: CACHE_PRIORITY, signal });
    return { name, reference, repository, previous: image && provider(repository, image) };
  } catch (error) {
    signal.throwIfAborted();
    throw failTo("create image cache", withContext(`accessing cache image "${name}"`, error));
  }
}

/** The images that an export reads from, on their way. */
export interface OpeningImages {
  readonly cache: Promise<CacheImage | undefined>;
  readonly runImage: Promise<RunImage>;
  readonly previous: Promise<LayerProvider | undefined>;
  /** Rejects like the first of them that fails, in the reference's order. */
  readonly all: Promise<void>;
}

/** Starts to open all images at once. */
export function openImages(context: ExportContext, signal: AbortSignal): OpeningImages {
  const cache = openCacheImage(context, signal);
  const runImage = openRunImage(context, signal);
  const previous = openPreviousImage(context, signal);
  for (const opening of [cache, runImage, previous]) opening.catch(() => undefined);
  const inOrder = async (): Promise<void> => {
    for (const opening of [cache, previous, runImage]) await opening;
  };
  return { cache, runImage, previous, all: inOrder() };
}

/** The descriptor of an image's layer by its diffID; undefined when it has no such layer. */
export function findLayer(from: LayerProvider | undefined, diffId: string): Descriptor | undefined {
  const index = from?.config.rootfs.diff_ids.indexOf(diffId as DiffID) ?? -1;
  return index < 0 ? undefined : from?.image.manifest.layers[index];
}
