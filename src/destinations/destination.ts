import type { HashFile } from "../caches/volume-cache.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import type { BlobFiles, Layer } from "../engine/layer.ts";
import { Fault } from "../errors/fault.ts";
import type { BaseImage } from "../images/app-image.ts";
import { type BuiltImage, newLayerMediaType } from "../images/image.ts";
import { checkCounts, type ExistingImage } from "../images/integrity.ts";
import type { Logger } from "../logger.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { DiffID } from "../oci/digest.ts";
import type { ExportSettings } from "../plan/inputs.ts";
import type { LayerUse } from "../plan/layers.ts";
import type { RegistryRepository } from "./registry/repository.ts";

/** An image that layers may be taken from. */
export type SourceImage = ExistingImage;

export interface RunImage extends SourceImage, BaseImage {
  /** `<name>@<digest>` of the selected manifest. */
  readonly reference: string;
  readonly newLayerMediaType: string;
}

export interface MadeContent {
  readonly kind: "made";
  readonly layer: Layer;
  readonly mediaType: Promise<string>;
}

/** Where the contents of a layer come from; `From` is the place of a blob that exists already. */
export type LayerContent<From> =
  | MadeContent
  | {
      readonly kind: "existing";
      readonly descriptor: Descriptor;
      readonly from: From;
      /** Replaces a blob that turns out to be gone; without it that is an error. */
      readonly otherwise: MadeContent | undefined;
    };

export interface AddedLayer {
  readonly id: string;
  readonly content: LayerContent<SourceImage>;
  /** Settles when the destination has it. */
  readonly added: Promise<Descriptor>;
}

export interface UnsavedImage {
  readonly runImage: RunImage;
  /** From the bottom, without the run image's. */
  readonly layers: readonly AddedLayer[];
  /** What {@link AppDestination.addBaseLayers} returned. */
  readonly base: Promise<unknown>;
  /** Known before any of `layers` is added. */
  readonly configBytes: Buffer;
  /**
   * The image's bytes.
   * @param descriptors one for each of `layers`
   * @param annotations to set in the manifest besides the run image's
   */
  build(descriptors: readonly Descriptor[], annotations?: Readonly<Record<string, string>>): BuiltImage;
}

export interface SavedName {
  readonly name: string;
  readonly failure: Fault | undefined;
}

/**
 * The fault of an app image that could not be saved under some names, in the reference's words: of the first one's code and
 * destination, and with all that is to be done about them.
 * @returns undefined if there is no such name
 */
export function namesFault(names: readonly SavedName[]): Fault | undefined {
  const failed = names.flatMap(({ name, failure }) => (failure === undefined ? [] : [{ name, failure }]));
  const [first] = failed;
  if (first === undefined) return undefined;
  const list = failed.map(({ name, failure }) => `[${name}: ${failure.message}]`).join(",");
  // Names in one repository fail for one reason.
  const hints = [...new Set(failed.flatMap(({ failure }) => failure.hint ?? []))];
  const { code, destination } = first.failure;
  return new Fault(code, `failed to export: failed to write image to the following tags: ${list}`, {
    cause: first.failure,
    exitCode: EXIT_CODES.exportFailed,
    hint: hints.length === 0 ? undefined : hints.join("\n"),
    destination,
  });
}

/** A saved app image, as log and report name it (docs/compatibility.md#save-messages, docs/compatibility.md#report). */
export interface SavedImage {
  /** As typed, or as the destination calls them; in order, duplicates included. */
  readonly names: readonly SavedName[];
  /** Follows `*** Images` in the log. */
  readonly label: string;
  readonly identifier: string;
  /** Which kind of identifier report.toml and the debug log have a line for; a layout's is in its label only. */
  readonly identifiedBy: "digest" | "image-id" | undefined;
  /** Bytes; 0 where it is not known. */
  readonly manifestSize: number;
}

/**
 * The port of a destination: a registry, a daemon or a layout, which also holds the images that the app image is built
 * upon. The members are in the order in which an export uses them.
 */
export interface AppDestination {
  readonly name: string;
  /** The registry's repository that gets every blob first; a cache image in the same registry mounts blobs from it. */
  readonly repository: RegistryRepository | undefined;
  /** Where blobs are made if they stay at the destination. */
  readonly blobFiles: BlobFiles;
  /** @throws Fault with an exit code, at once if the image is missing (docs/compatibility.md#missing-run-image) */
  openRunImage(signal: AbortSignal): Promise<RunImage>;
  /** @returns undefined without a previous image, or if it is gone @throws Fault with an exit code */
  openPreviousImage(signal: AbortSignal): Promise<SourceImage | undefined>;
  /** Only a daemon has a launch cache (docs/compatibility.md#launch-cache). @throws Fault with an exit code */
  openLaunchCache(hashFile: HashFile): Promise<void>;
  /** Finds out early whether the image may be saved under all its names. @throws Fault with an exit code if not */
  checkAccess(signal: AbortSignal): Promise<void>;
  /**
   * Logs which images will be opened (docs/compatibility.md#log-order).
   * @throws Fault for a name that the destination cannot have
   */
  announce(logger: Logger): void;
  /** What the destination takes of a layer. Known once {@link openLaunchCache} has settled. */
  readonly layerUses: readonly LayerUse[];
  /** Makes sure that the destination has the run image's layers. */
  addBaseLayers(runImage: RunImage, signal: AbortSignal): Promise<unknown>;
  /**
   * Makes sure that the destination has a layer.
   * @param layer its id for messages, and its position in the order of work
   * @returns its descriptor there
   * @throws Fault; the signal's reason
   */
  addLayer(
    content: LayerContent<SourceImage>,
    layer: { readonly id: string; readonly order: number },
    signal: AbortSignal,
  ): Promise<Descriptor>;
  /** True if {@link save} may need the contents of an added layer again. */
  needsAgain(content: LayerContent<SourceImage>): boolean;
  /**
   * Saves the image under all its names; a name that fails does not stop the others
   * (docs/compatibility.md#image-names).
   * @throws errors that concern no single name: a layer that cannot be built, the signal's reason
   */
  save(image: UnsavedImage, signal: AbortSignal): Promise<SavedImage>;
  /** Removes unfinished blobs, and closes connections. */
  close(): Promise<void>;
}

export const NO_BLOB_FILES: BlobFiles = async () => undefined;

export function findLayer(from: SourceImage | undefined, diffId: string): Descriptor | undefined {
  const index = from?.config.rootfs.diff_ids.indexOf(diffId as DiffID) ?? -1;
  return index < 0 ? undefined : from?.layers[index];
}

/**
 * The media type of layers upon a run image.
 * @throws Fault for an image that nothing can be built upon, or that cannot take layers with this compression
 */
export function layerTypeUpon(image: SourceImage, mediaType: string, compression: "gzip" | "zstd"): string {
  const { name, layers } = image;
  checkCounts(image);
  if (layers.length === 0) throw new Fault("EXPORT_IMAGE_NO_LAYERS", "image has no layers", { destination: name });
  return newLayerMediaType(mediaType, compression);
}

/**
 * The descriptor of a layer even if it could not be added: an image that fails under one name may still be saved under
 * another, and the log lists the names that failed.
 * @param isBlamed true for an error of the destination rather than of the layer
 */
export async function describeLayer(
  { content, added }: AddedLayer,
  isBlamed: (error: unknown) => boolean,
): Promise<Descriptor> {
  try {
    return await added;
  } catch (error) {
    if (!isBlamed(error)) throw error;
    if (content.kind === "existing") return content.descriptor;
    const { digest, size } = await (await content.layer.blob()).done;
    return { mediaType: await content.mediaType, size, digest };
  }
}

/** The warning that the reference logs while it sets up the app image (docs/compatibility.md#created-time). */
export function warnInvalidEpoch({ isSourceDateEpochInvalid }: ExportSettings, logger: Logger): void {
  if (isSourceDateEpochInvalid) logger.warn("Ignoring invalid SOURCE_DATE_EPOCH");
}
