import { FIRST_COME, PriorityLimiter } from "../../concurrency/limiter.ts";
import type { BlobFiles } from "../../engine/layer.ts";
import { Fault, failTo, withDefaultHint } from "../../errors/fault.ts";
import { hintLine } from "../../errors/printable.ts";
import type { BuiltImage } from "../../images/image.ts";
import type { Logger } from "../../logger.ts";
import type { Monitor } from "../../observe/monitor.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { parseReference, type Reference } from "../../oci/reference.ts";
import type { Analyzed, ExportSettings, ResolvedInputs } from "../../plan/inputs.ts";
import { APP_PRIORITY, type LayerUse } from "../../plan/layers.ts";
import {
  type AppDestination,
  type BuiltContent,
  describeLayer,
  type LayerContent,
  noTopLayerFault,
  type RunImage,
  type SavedImage,
  type SavedName,
  type SourceImage,
  type UnsavedImage,
  warnInvalidEpoch,
} from "../destination.ts";
import { copyBlob, linkBlob, putBlob, WRONG_SIZE } from "./blobs.ts";
import { findImage, openImage, parseIdentifier } from "./images.ts";
import { Layout, layoutPath, REF_NAME } from "./layout.ts";
import { LayoutRunImage, LayoutSource } from "./source-image.ts";

/** Concurrent blob copies and syncs: Node has four file threads, and building layers needs some of them. */
const WRITES = 2;

interface NamedLayout {
  readonly reference: Reference;
  readonly layout: Layout;
}

export class LayoutApp implements AppDestination {
  readonly name: string;
  readonly layerUses: readonly LayerUse[] = [{ kind: "blob" }];
  readonly repository = undefined;
  readonly #first: NamedLayout;
  readonly #others: readonly NamedLayout[];
  readonly #settings: ExportSettings;
  readonly #analyzed: Analyzed;
  readonly #writes = new PriorityLimiter(WRITES);
  readonly #monitor: Monitor;

  constructor({ settings, analyzed }: ResolvedInputs, monitor: Monitor) {
    this.#monitor = monitor;
    const layoutOf = (image: string): NamedLayout => {
      const reference = parseReference(image);
      return { reference, layout: new Layout(layoutPath(settings.layoutDir, reference)) };
    };
    this.#first = layoutOf(settings.outputImage);
    // The reference interprets a tag as a path (docs/compatibility.md#layout-tags).
    this.#others = settings.additionalTags.map(layoutOf);
    this.name = this.#first.layout.path;
    this.#settings = settings;
    this.#analyzed = analyzed;
  }

  needsAgain(): boolean {
    return false;
  }

  readonly blobFiles: BlobFiles = async ({ priority }) => {
    if (priority !== APP_PRIORITY) return undefined;
    // save() reports a layout that cannot be created.
    return await this.#first.layout.create().catch(() => undefined);
  };

  announce(logger: Logger): void {
    this.#runImagePath();
    const previous = this.#previousPath();
    if (previous !== undefined) logger.info(`Reusing layers from image '${previous}'`);
    warnInvalidEpoch(this.#settings, logger);
    logger.info(`Using app image: ${this.name}`);
  }

  async checkAccess(): Promise<void> {}

  async openRunImage(): Promise<RunImage> {
    const path = this.#runImagePath();
    const image = await this.#readRunImage(path).catch((error: unknown) => {
      throw openFault(path, error);
    });
    if (image.layers.length === 0) throw noTopLayerFault(image.name);
    return image;
  }

  /** Fails before any work starts if the run image cannot be extended. */
  async #readRunImage(path: string): Promise<RunImage> {
    return new LayoutRunImage(await openImage(path), this.#settings.tuning.compression);
  }

  async openPreviousImage(): Promise<SourceImage | undefined> {
    const path = this.#previousPath();
    if (path === undefined) return undefined;
    try {
      const image = await findImage(path);
      return image && new LayoutSource(image);
    } catch (error) {
      throw openFault(path, error);
    }
  }

  async openLaunchCache(): Promise<void> {}

  async findCached(): Promise<undefined> {}

  async addBaseLayers(runImage: RunImage, signal: AbortSignal): Promise<unknown> {
    const from = originOf(runImage);
    return await Promise.all(runImage.layers.map((descriptor) => this.#copy(descriptor, from, signal, "absent")));
  }

  async addLayer(
    content: LayerContent<SourceImage>,
    { id }: { readonly id: string; readonly order: number },
    signal: AbortSignal,
  ): Promise<Descriptor> {
    if (content.kind === "built") return await this.#addBuilt(id, content, signal);
    const { descriptor, from, otherwise } = content;
    try {
      const isHere = await this.#copy(descriptor, originOf(from), signal);
      if (isHere || otherwise === undefined) return descriptor;
    } catch (error) {
      const isBroken = error instanceof Fault && error.code === WRONG_SIZE;
      if (!isBroken || otherwise === undefined) throw error;
    }
    return await this.#addBuilt(id, otherwise, signal);
  }

  async save({ layers, base, build }: UnsavedImage, signal: AbortSignal): Promise<SavedImage> {
    await this.#first.layout.create();
    const described = await Promise.all(layers.map((layer) => describeLayer(layer, isLayoutFault)));
    const image = build(described, { [REF_NAME]: this.#first.reference.identifier });
    const first = await named(this.#first, signal, async () => {
      await Promise.all([base, ...layers.map(({ added }) => added)]);
      await this.#first.layout.putImage(image, this.#first.reference.identifier);
    });
    const others = this.#others.map((other) => named(other, signal, () => this.#putCopy(image, other)));
    const { digest, size } = image.manifestDescriptor;
    return {
      names: [first, ...(await Promise.all(others))],
      label: `${this.name}@${digest}`,
      identifier: digest,
      identifiedBy: undefined,
      manifestSize: size,
    };
  }

  async close(): Promise<void> {
    for (const { layout } of [this.#first, ...this.#others]) layout.close();
  }

  /** From analyzed.toml: a creator's settings contain the image's name, not its path. */
  #runImagePath(): string {
    return identify("run", this.#analyzed.runImage?.reference ?? "").path;
  }

  #previousPath(): string | undefined {
    const { previousImage } = this.#analyzed;
    return previousImage === "" ? undefined : identify("previous", previousImage).path;
  }

  async #addBuilt(id: string, { layer, mediaType }: BuiltContent, signal: AbortSignal): Promise<Descriptor> {
    const { work } = layer;
    // The blob is compressed in place.
    const polledBytes = () => work.compressed;
    const transfer = this.#monitor.transfer({
      destination: this.name,
      image: "app",
      layer: id,
      work,
      unit: "blob",
      polledBytes,
    });
    try {
      const blob = await layer.blob();
      transfer.begin();
      const { digest, size } = await blob.done;
      await this.#first.layout.create();
      const put = () => putBlob(this.name, blob, signal);
      const isPut = await this.#writes.run(FIRST_COME, put, signal);
      if (isPut) layer.counters.uploads += 1;
      transfer.done(digest, size, isPut ? "uploaded" : "existing");
      return { mediaType: await mediaType, size, digest };
    } catch (error) {
      transfer.fail(error);
      throw error;
    }
  }

  async #copy(
    descriptor: Descriptor,
    from: string,
    signal: AbortSignal,
    empty?: "absent" | "broken",
  ): Promise<boolean> {
    await this.#first.layout.create();
    const copy = () => copyBlob(this.name, descriptor, from, empty);
    return await this.#writes.run(FIRST_COME, copy, signal);
  }

  async #putCopy(image: BuiltImage, { layout, reference }: NamedLayout): Promise<void> {
    await layout.create();
    await Promise.all(image.layers.map((descriptor) => linkBlob(layout.path, descriptor, this.name)));
    await layout.putImage(image, reference.identifier);
  }
}

function identify(role: "run" | "previous", identifier: string) {
  try {
    return parseIdentifier(identifier);
  } catch (error) {
    throw failTo(`parsing ${role} image reference`, error);
  }
}

function originOf(image: SourceImage): string {
  if (image instanceof LayoutSource) return image.stored.path;
  throw new Fault("EXPORT_INTERNAL", `image ${image.name} is in no layout`);
}

async function named({ layout }: NamedLayout, signal: AbortSignal, save: () => Promise<void>): Promise<SavedName> {
  try {
    await save();
    return { name: layout.path, failure: undefined };
  } catch (error) {
    signal.throwIfAborted();
    if (!isLayoutFault(error)) throw error;
    return { name: layout.path, failure: error };
  }
}

function isLayoutFault(error: unknown): error is Fault {
  return error instanceof Fault && error.code.startsWith("EXPORT_LAYOUT_");
}

/** The reference's message does not always name the layout. */
function openFault(path: string, error: unknown): Fault {
  const hint = hintLine`Write one complete image to the layout ${path}, e.g. with skopeo copy.`;
  return failTo("create new app image", withDefaultHint(error, hint));
}
