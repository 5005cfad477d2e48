import type { HashFile } from "../caches/volume-cache.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import type { BlobFiles, Layer } from "../engine/layer.ts";
import { Fault, failTo, withContext } from "../errors/fault.ts";
import type { BaseImage } from "../images/app-image.ts";
import type { BuiltImage } from "../images/image.ts";
import type { ExistingImage } from "../images/integrity.ts";
import type { Logger } from "../logger.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { DiffID } from "../oci/digest.ts";
import type { ExportSettings } from "../plan/inputs.ts";
import type { LayerUse } from "../plan/layers.ts";
import type { RegistryRepository } from "./registry/repository.ts";

export type SourceImage = ExistingImage;

export interface RunImage extends SourceImage, BaseImage {
  readonly reference: string;
  readonly newLayerMediaType: string;
}

export interface BuiltContent {
  readonly kind: "built";
  readonly layer: Layer;
  readonly mediaType: Promise<string>;
}

export interface ExistingContent<From> {
  readonly kind: "existing";
  readonly descriptor: Descriptor;
  readonly from: From;
  /** Replaces a blob that is gone; without it, a missing blob is an error. */
  readonly otherwise: BuiltContent | undefined;
}

export type LayerContent<From> = BuiltContent | ExistingContent<From>;

export interface AddedLayer {
  readonly id: string;
  readonly content: LayerContent<SourceImage>;
  readonly added: Promise<Descriptor>;
}

/**
 * `layers` are those on top of the run image, from the bottom. `configBytes` are final while blobs are still being
 * built.
 */
export interface UnsavedImage {
  readonly runImage: RunImage;
  readonly layers: readonly AddedLayer[];
  readonly base: Promise<unknown>;
  readonly configBytes: Buffer;
  build(descriptors: readonly Descriptor[], annotations?: Readonly<Record<string, string>>): BuiltImage;
}

export interface SavedName {
  readonly name: string;
  readonly failure: Fault | undefined;
}

/**
 * The fault of an app image that failed to save under some names, in the reference's words: code and destination of the
 * first failure, and the hints of all.
 * @returns undefined if no name failed
 */
export function namesFault(names: readonly SavedName[]): Fault | undefined {
  const failed = names.flatMap(({ name, failure }) => (failure === undefined ? [] : [{ name, failure }]));
  const [first] = failed;
  if (first === undefined) return undefined;
  const list = failed.map(({ name, failure }) => `[${name}: ${failure.message}]`).join(",");
  // All names in one repository usually fail for one reason, with one hint.
  const hints = [...new Set(failed.flatMap(({ failure }) => failure.hint ?? []))];
  const { code, destination } = first.failure;
  return new Fault(code, `failed to export: failed to write image to the following tags: ${list}`, {
    cause: first.failure,
    exitCode: EXIT_CODES.exportFailed,
    hint: hints.length === 0 ? undefined : hints.join("\n"),
    destination,
  });
}

/**
 * The values that the log and report.toml show (docs/compatibility.md#save-messages, docs/compatibility.md#report).
 * `identifiedBy` is the kind of identifier in both; a layout's is only in its label.
 */
export interface SavedImage {
  readonly names: readonly SavedName[];
  readonly label: string;
  readonly identifier: string;
  readonly identifiedBy: "digest" | "image-id" | undefined;
  readonly manifestSize: number;
}

/**
 * A registry, daemon or layout that the app image is saved to and its source images are read from. Members are in the
 * order in which an export uses them.
 */
export interface AppDestination {
  readonly name: string;
  readonly repository: RegistryRepository | undefined;
  readonly blobFiles: BlobFiles;
  openRunImage(signal: AbortSignal): Promise<RunImage>;
  /** @returns undefined if there is none; the fault, if it is unreadable */
  openPreviousImage(signal: AbortSignal): Promise<SourceImage | Fault | undefined>;
  openLaunchCache(hashFile: HashFile): Promise<void>;
  checkAccess(signal: AbortSignal): Promise<void>;
  announce(logger: Logger): void;
  /** Which forms of a layer the destination consumes. Final once {@link openLaunchCache} has settled. */
  readonly layerUses: readonly LayerUse[];
  /**
   * A layer of the previous image in the destination's own cache, for when that image is gone; undefined if it is not
   * cached.
   */
  findCached(diffId: DiffID): Promise<ExistingContent<SourceImage> | undefined>;
  addBaseLayers(runImage: RunImage, signal: AbortSignal): Promise<unknown>;
  /**
   * A no-op if the destination has the layer.
   * @param layer its id for messages, and its position in the order of work
   */
  addLayer(
    content: LayerContent<SourceImage>,
    layer: { readonly id: string; readonly order: number },
    signal: AbortSignal,
  ): Promise<Descriptor>;
  /**
   * True if {@link save} may need an added layer's contents again: for another repository or load, or to replace a blob
   * that the registry only claimed to have.
   */
  needsAgain(content: LayerContent<SourceImage>): boolean;
  /**
   * Saves the image under all its names; a failing name does not stop the others (docs/compatibility.md#image-names).
   * @throws errors that concern no single name: a layer that cannot be built, the signal's reason
   */
  save(image: UnsavedImage, signal: AbortSignal): Promise<SavedImage>;
  close(): Promise<void>;
}

export const NO_BLOB_FILES: BlobFiles = async () => undefined;

export function findLayer(from: SourceImage | undefined, diffId: string): Descriptor | undefined {
  const index = from?.config.rootfs.diff_ids.indexOf(diffId as DiffID) ?? -1;
  return index < 0 ? undefined : from?.layers[index];
}

export function noLayersFault(destination: string): Fault {
  return new Fault("EXPORT_IMAGE_NO_LAYERS", "image has no layers", { destination });
}

/** {@link noLayersFault} for a daemon or a layout, where the reference opens such a run image and fails later. */
export function noTopLayerFault(destination: string): Fault {
  const fault = withContext("get run image top layer SHA", noLayersFault(destination));
  return failTo("export", fault, EXIT_CODES.exportFailed);
}

/**
 * The descriptor of a layer even if adding it failed: the image may still be saved under another name, and the log
 * lists the names that failed.
 * @param isBlamed true for errors of the destination rather than of the layer
 */
export async function describeLayer(
  { content, added }: Omit<AddedLayer, "id">,
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

export function warnInvalidEpoch({ isSourceDateEpochInvalid }: ExportSettings, logger: Logger): void {
  if (isSourceDateEpochInvalid) logger.warn("Ignoring invalid SOURCE_DATE_EPOCH");
}
