import type { Registries } from "../destinations/registry/registries.ts";
import type { RegistryRepository } from "../destinations/registry/repository.ts";
import { Fault, failTo } from "../faults/fault.ts";
import type { Logger } from "../flow/logger.ts";
import type { Monitor } from "../flow/monitor.ts";
import type { Analyzed, ExportSettings } from "../inputs/export-inputs.ts";
import type { ResolvedInputs } from "../inputs/resolve-settings.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { ownPlatform } from "../oci/manifest.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { APP_PRIORITY } from "../plan/layer-plan.ts";
import type { LayerUse } from "../plan/wanted-layers.ts";
import { NOT_FOUND, RegistryFault } from "../transport/registry-fault.ts";
import type {
  AppDestination,
  LayerContent,
  RunImage,
  SavedImage,
  SourceImage,
  UnsavedImage,
} from "./app-destination.ts";
import { describeLayer } from "./describe-layer.ts";
import { warnInvalidEpoch } from "./epoch-warning.ts";
import { pushApp } from "./push-app.ts";
import { RegistryImage, RegistryRunImage } from "./registry-image.ts";
import { placeBaseLayers, placeLayer, type RegistryContent } from "./registry-layer.ts";

/** The app image in a registry, where the run image and the previous image are as well, or in other registries. */
export class RegistryApp implements AppDestination {
  readonly name: string;
  readonly layerUses: readonly LayerUse[] = [{ kind: "blob" }];
  /** Another repository than the first name's needs the blobs again. */
  readonly savesFromLayers: boolean;
  /** The first name's, which gets every blob first. */
  readonly repository: RegistryRepository;
  readonly #reference: Reference;
  readonly #tags: readonly Reference[];
  readonly #settings: ExportSettings;
  readonly #analyzed: Analyzed;
  readonly #registries: Registries;
  readonly #monitor: Monitor;

  constructor({ settings, analyzed }: ResolvedInputs, registries: Registries, monitor: Monitor) {
    this.name = settings.outputImage;
    this.#reference = parseReference(settings.outputImage);
    this.#tags = settings.additionalTags.map(parseReference);
    this.savesFromLayers = this.#tags.some(({ repository }) => repository.name !== this.#reference.repository.name);
    this.repository = registries.repository(this.#reference);
    this.#settings = settings;
    this.#analyzed = analyzed;
    this.#registries = registries;
    this.#monitor = monitor;
  }

  announce(logger: Logger): void {
    const { previousImage } = this.#analyzed;
    if (previousImage !== "") logger.info(`Reusing layers from image '${previousImage}'`);
    warnInvalidEpoch(this.#settings, logger);
  }

  async openRunImage(signal: AbortSignal): Promise<RunImage> {
    const reference = parseReference(this.#settings.runImage);
    const repository = this.#registries.repository(reference);
    try {
      const image = await repository.openImage(reference, ownPlatform(), { priority: APP_PRIORITY, signal });
      // Fails here, before anything was made, where the run image cannot be built upon.
      return new RegistryRunImage(repository, image, this.#settings.tuning.compression);
    } catch (error) {
      signal.throwIfAborted();
      throw failTo("create new app image", error);
    }
  }

  async openPreviousImage(signal: AbortSignal): Promise<SourceImage | undefined> {
    const { previousImage } = this.#analyzed;
    if (previousImage === "") return undefined;
    try {
      const reference = parseReference(previousImage);
      const repository = this.#registries.repository(reference);
      const image = await repository.findImage(reference, ownPlatform(), { priority: APP_PRIORITY, signal });
      return image && new RegistryImage(repository, image);
    } catch (error) {
      signal.throwIfAborted();
      throw failTo("create new app image", error);
    }
  }

  async openLaunchCache(): Promise<void> {}

  placeBaseLayers(runImage: RunImage, signal: AbortSignal): Promise<unknown> {
    return placeBaseLayers(runImage.layers, originOf(runImage), this.repository, { monitor: this.#monitor, signal });
  }

  async placeLayer(
    content: LayerContent<SourceImage>,
    { id, order }: { readonly id: string; readonly order: number },
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const located = locate(content);
    try {
      const placing = { monitor: this.#monitor, image: "app", layer: id } as const;
      return await placeLayer(located, this.repository, { priority: APP_PRIORITY, order, signal, ...placing });
    } catch (error) {
      const isGone = error instanceof Fault && error.code === NOT_FOUND;
      if (isGone && located.kind === "existing" && located.otherwise === undefined) throw goneFault(id, located);
      throw error;
    }
  }

  async save({ runImage, layers, base, build }: UnsavedImage, signal: AbortSignal): Promise<SavedImage> {
    const described = layers.map((layer) => describeLayer(layer, (error) => error instanceof RegistryFault));
    const image = build(await Promise.all(described));
    const names = await pushApp(
      {
        image,
        base: { layers: runImage.layers, from: originOf(runImage), placed: base },
        layers: layers.map(({ id, content, placed }) => ({ id, content: locate(content), placed })),
        monitor: this.#monitor,
      },
      [this.#reference, ...this.#tags],
      (reference) => this.#registries.repository(reference, this.#reference),
      signal,
    );
    const { digest, size } = image.manifestDescriptor;
    return { names, label: digest, identifier: digest, identifiedBy: "digest", manifestSize: size };
  }
}

function originOf(image: SourceImage): RegistryRepository {
  if (image instanceof RegistryImage) return image.repository;
  throw new Fault("EXPORT_INTERNAL", `image ${image.name} is in no registry`);
}

function locate(content: LayerContent<SourceImage>): RegistryContent {
  return content.kind === "made" ? content : { ...content, from: originOf(content.from) };
}

/** There is nothing to make the layer from again. */
function goneFault(id: string, { descriptor, from }: Extract<RegistryContent, { kind: "existing" }>): Fault {
  return new Fault(
    "EXPORT_REGISTRY_GONE",
    `layer '${id}': blob ${descriptor.digest} is gone from ${from.name}, though an image there lists it`,
    {
      destination: from.name,
      hint: "Restore the blob, or build again without the previous image, so that the layer is made anew.",
    },
  );
}
