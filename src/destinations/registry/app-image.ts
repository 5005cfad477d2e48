import { awaitedLater } from "../../concurrency/task-scope.ts";
import { Fault, failTo, toFault } from "../../errors/fault.ts";
import { NOT_FOUND } from "../../http/faults.ts";
import type { BuiltImage } from "../../images/image.ts";
import { isUnreadable } from "../../images/integrity.ts";
import type { Logger } from "../../logger.ts";
import type { Monitor } from "../../observe/monitor.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import { ownPlatform } from "../../oci/manifest.ts";
import { parseGivenReference, parseReference, type Reference } from "../../oci/reference.ts";
import type { Analyzed, ExportSettings, ResolvedInputs } from "../../plan/inputs.ts";
import { APP_PRIORITY, type LayerUse } from "../../plan/layers.ts";
import {
  type AddedLayer,
  type AppDestination,
  describeLayer,
  type LayerContent,
  NO_BLOB_FILES,
  namesFault,
  type RunImage,
  type SavedImage,
  type SavedName,
  type SourceImage,
  type UnsavedImage,
  warnInvalidEpoch,
} from "../destination.ts";
import { NO_PLATFORM } from "./images.ts";
import { type NamesByRepository, type PushedApp, pushApp, type StartedPush, startPush } from "./push.ts";
import { pushBaseLayers, pushLayer, type RegistryContent } from "./push-layer.ts";
import { isPushFault } from "./refusals.ts";
import type { Registries } from "./registries.ts";
import type { RegistryRepository } from "./repository.ts";
import { RegistryRunImage, RegistrySource } from "./source-image.ts";
import type { TagResult } from "./tags.ts";

export class RegistryApp implements AppDestination {
  readonly name: string;
  readonly layerUses: readonly LayerUse[] = [{ kind: "blob" }];
  readonly blobFiles = NO_BLOB_FILES;
  readonly repository: RegistryRepository;
  readonly #names: readonly Reference[];
  readonly #namesByRepository: NamesByRepository;
  readonly #settings: ExportSettings;
  readonly #analyzed: Analyzed;
  readonly #registries: Registries;
  readonly #monitor: Monitor;
  readonly #certain = new WeakSet<LayerContent<SourceImage>>();

  constructor({ settings, analyzed }: ResolvedInputs, registries: Registries, monitor: Monitor) {
    this.name = settings.outputImage;
    const first = parseReference(settings.outputImage);
    this.#names = [first, ...settings.additionalTags.map(parseReference)];
    this.#namesByRepository = Map.groupBy(this.#names, (reference) => registries.repository(reference, first));
    this.repository = registries.repository(first);
    this.#settings = settings;
    this.#analyzed = analyzed;
    this.#registries = registries;
    this.#monitor = monitor;
  }

  needsAgain(content: LayerContent<SourceImage>): boolean {
    return this.#namesByRepository.size > 1 || !this.#certain.has(content);
  }

  announce(logger: Logger): void {
    const { previousImage } = this.#analyzed;
    if (previousImage !== "") logger.info(`Reusing layers from image '${previousImage}'`);
    warnInvalidEpoch(this.#settings, logger);
  }

  checkAccess(signal: AbortSignal): Promise<void> {
    return checkNames(this.#namesByRepository, signal);
  }

  async openRunImage(signal: AbortSignal): Promise<RunImage> {
    const reference = parseReference(this.#settings.runImage);
    const repository = this.#registries.repository(reference);
    try {
      const image = await repository.openImage(reference, ownPlatform(), { priority: APP_PRIORITY, signal });
      // Fails before any work starts if the run image cannot be extended.
      return new RegistryRunImage(repository, image, this.#settings.tuning.compression);
    } catch (error) {
      signal.throwIfAborted();
      throw failTo("create new app image", error);
    }
  }

  async openPreviousImage(signal: AbortSignal): Promise<SourceImage | Fault | undefined> {
    const { previousImage } = this.#analyzed;
    if (previousImage === "") return undefined;
    try {
      const reference = parseGivenReference("the previous image of analyzed.toml", previousImage);
      const repository = this.#registries.repository(reference);
      const image = await repository.findImage(reference, ownPlatform(), { priority: APP_PRIORITY, signal });
      return image && new RegistrySource(repository, image);
    } catch (error) {
      signal.throwIfAborted();
      if (isUnreadable(error)) return error;
      if (error instanceof Fault && error.code === NO_PLATFORM) return undefined;
      throw failTo("create new app image", error);
    }
  }

  async openLaunchCache(): Promise<void> {}

  async close(): Promise<void> {}

  async findCached(): Promise<undefined> {}

  addBaseLayers(runImage: RunImage, signal: AbortSignal): Promise<unknown> {
    return pushBaseLayers(runImage.layers, originOf(runImage), this.repository, { monitor: this.#monitor, signal });
  }

  async addLayer(
    content: LayerContent<SourceImage>,
    { id, order }: { readonly id: string; readonly order: number },
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const located = locate(content);
    try {
      const options = {
        priority: APP_PRIORITY,
        order,
        signal,
        monitor: this.#monitor,
        image: "app",
        layer: id,
      } as const;
      const { descriptor, isCertain } = await pushLayer(located, this.repository, options);
      if (isCertain) this.#certain.add(content);
      return descriptor;
    } catch (error) {
      const isGone = error instanceof Fault && error.code === NOT_FOUND;
      if (isGone && located.kind === "existing" && located.otherwise === undefined) throw goneFault(id, located);
      throw error;
    }
  }

  async save(unsaved: UnsavedImage, signal: AbortSignal): Promise<SavedImage> {
    const { layers, base, configBytes, build } = unsaved;
    const started = this.#startPush(configBytes, signal);
    // The push fails with its first refused blob, without waiting for the other uploads.
    const all = awaitedLater(Promise.all([started.blobs, base, ...layers.map(({ added }) => added)]));
    const described = layers.map(({ content, added }) =>
      describeLayer({ content, added: Promise.race([added, all]).then(() => added) }, isPushFault),
    );
    let image = build(await Promise.all(described));
    let pushed = await this.#push(image, unsaved, started, signal);
    if (pushed.missing.size > 0) {
      const options = { priority: APP_PRIORITY, signal };
      const marked = [...pushed.missing].map(
        async ([repository, blobs]) => [repository, await repository.markMissing(blobs, options)] as const,
      );
      const again = this.#addAgain(unsaved, new Map(await Promise.all(marked)), signal);
      image = build(await Promise.all(again.layers.map(({ added }) => added)));
      pushed = await this.#push(image, again, this.#startPush(configBytes, signal), signal);
    }
    const { digest, size } = image.manifestDescriptor;
    const results = new Map(pushed.results.map((result) => [result.reference, result]));
    const names = this.#names.map((reference) => savedName(results.get(reference) as TagResult));
    return { names, label: digest, identifier: digest, identifiedBy: "digest", manifestSize: size };
  }

  #addAgain(
    { runImage, layers, base }: UnsavedImage,
    missing: ReadonlyMap<RegistryRepository, readonly Digest[]>,
    signal: AbortSignal,
  ): AddedImage {
    const isMissing = ({ digest }: Descriptor) => missing.get(this.repository)?.includes(digest) ?? false;
    const again = layers.map((layer): AddedLayer => {
      const { id, content } = layer;
      const isHeld = content.kind === "built" || this.needsAgain(content);
      const left = isHeld ? content : { ...content, otherwise: undefined };
      const replace = (added: Descriptor) => (isMissing(added) ? this.addLayer(left, { id, order: 0 }, signal) : added);
      return { id, content: left, added: awaitedLater(layer.added.then(replace)) };
    });
    const baseAgain = runImage.layers.some(isMissing) ? this.addBaseLayers(runImage, signal) : base;
    return { runImage, layers: again, base: awaitedLater(baseAgain) };
  }

  #startPush(configBytes: Uint8Array, signal: AbortSignal): StartedPush {
    const parts = { blobs: [configBytes], names: this.#namesByRepository.get(this.repository) ?? [] };
    return startPush(this.repository, parts, { priority: APP_PRIORITY, signal });
  }

  #push(
    image: BuiltImage,
    { runImage, layers, base }: AddedImage,
    started: StartedPush,
    signal: AbortSignal,
  ): Promise<PushedApp> {
    return pushApp(
      {
        image,
        started,
        base: { layers: runImage.layers, from: originOf(runImage), added: base },
        layers: layers.map(({ id, content, added }) => ({ id, content: locate(content), added })),
        monitor: this.#monitor,
      },
      this.#namesByRepository,
      signal,
    );
  }
}

/**
 * Checks all names, once per repository.
 * @throws Fault that lists the denied names, worded as if their push had failed
 */
async function checkNames(names: NamesByRepository, signal: AbortSignal): Promise<void> {
  const checks = [...names].map(async ([repository, references]): Promise<SavedName[]> => {
    try {
      await repository.checkPush({ priority: APP_PRIORITY, signal });
      return [];
    } catch (error) {
      return references.map(({ original }) => ({ name: original, failure: toFault(error) }));
    }
  });
  const refusals = (await Promise.all(checks)).flat();
  signal.throwIfAborted();
  const fault = namesFault(refusals);
  if (fault !== undefined) throw fault;
}

function savedName({ reference, outcome, error }: TagResult): SavedName {
  const name = reference.original;
  return { name, failure: outcome === "pushed" ? undefined : toFault(error) };
}

type AddedImage = Pick<UnsavedImage, "runImage" | "layers" | "base">;

function originOf(image: SourceImage): RegistryRepository {
  if (image instanceof RegistrySource) return image.repository;
  throw new Fault("EXPORT_INTERNAL", `image ${image.name} is in no registry`);
}

function locate(content: LayerContent<SourceImage>): RegistryContent {
  return content.kind === "built" ? content : { ...content, from: originOf(content.from) };
}

function goneFault(id: string, { descriptor, from }: Extract<RegistryContent, { kind: "existing" }>): Fault {
  return new Fault(
    "EXPORT_REGISTRY_GONE",
    `layer '${id}': blob ${descriptor.digest} is gone from ${from.name}, although an image there still references it`,
    {
      destination: from.name,
    },
  );
}
