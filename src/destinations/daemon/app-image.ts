import { realpath } from "node:fs/promises";
import type { HashFile } from "../../caches/volume-cache.ts";
import { awaitedLater } from "../../concurrency/task-scope.ts";
import { isDisconnection, isDockerFault } from "../../docker/fault.ts";
import type { Layer } from "../../engine/layer.ts";
import { Fault, failTo, messageOf, warningOf } from "../../errors/fault.ts";
import { goQuote } from "../../go/format.ts";
import type { BuiltImage } from "../../images/image.ts";
import type { Logger } from "../../logger.ts";
import type { Monitor } from "../../observe/monitor.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type DiffID, withoutAlgorithm } from "../../oci/digest.ts";
import { ownPlatform } from "../../oci/manifest.ts";
import { parseReference, type Reference } from "../../oci/reference.ts";
import { type Analyzed, cacheKind, type ExportSettings, type ResolvedInputs } from "../../plan/inputs.ts";
import type { LayerUse } from "../../plan/layers.ts";
import {
  type AppDestination,
  type ExistingContent,
  type LayerContent,
  NO_BLOB_FILES,
  noTopLayerFault,
  type RunImage,
  type SavedImage,
  type SourceImage,
  type UnsavedImage,
  warnInvalidEpoch,
} from "../destination.ts";
import type { DaemonConnection } from "./connection.ts";
import { type DaemonImage, findImage, readId } from "./images.ts";
import { CachedLayer, LaunchCache } from "./launch-cache.ts";
import { chooseLayers, DaemonLoad, type LoadedLayer, originOf } from "./load.ts";
import { DaemonRunImage, DaemonSource, daemonLayer, diffIdOf } from "./source-image.ts";
import { putTags } from "./tags.ts";

const SHORT_ID = 12;

/**
 * The app image in a Docker daemon that also has the run image and the previous image
 * (docs/compatibility.md#docker-daemon). One load, which starts with the first layer once both images are known, sends
 * layers while they are built.
 */
export class DaemonApp implements AppDestination {
  readonly name: string;
  readonly repository = undefined;
  readonly blobFiles = NO_BLOB_FILES;
  readonly #references: readonly Reference[];
  readonly #settings: ExportSettings;
  readonly #analyzed: Analyzed;
  readonly #connection: DaemonConnection;
  readonly #logger: Logger;
  readonly #monitor: Monitor;
  readonly #opened = Promise.withResolvers<void>();
  #runImage: Promise<DaemonRunImage> | undefined;
  #load: DaemonLoad | undefined;
  #launchCache: LaunchCache | undefined;
  #launchCacheFault: Fault | undefined;

  constructor({ settings, analyzed }: ResolvedInputs, connection: DaemonConnection, logger: Logger, monitor: Monitor) {
    this.name = settings.outputImage;
    this.#references = [settings.outputImage, ...settings.additionalTags].map(parseReference);
    this.#settings = settings;
    this.#analyzed = analyzed;
    this.#connection = connection;
    this.#logger = logger;
    this.#monitor = monitor;
    void awaitedLater(this.#opened.promise);
  }

  needsAgain(): boolean {
    return true;
  }

  get layerUses(): readonly LayerUse[] {
    const cache = this.#launchCache;
    if (cache === undefined) return [{ kind: "tar-stream" }];
    return [{ kind: "tar-stream" }, { kind: "tar-file", directory: cache.stagingDir }];
  }

  announce(logger: Logger): void {
    const { previousImage } = this.#analyzed;
    if (previousImage !== "") logger.debug(`Reusing layers from image with id '${previousImage}'`);
    warnInvalidEpoch(this.#settings, logger);
  }

  async checkAccess(): Promise<void> {}

  openRunImage(signal: AbortSignal): Promise<RunImage> {
    this.#runImage ??= this.#openRunImage(signal);
    return this.#runImage;
  }

  async openPreviousImage(signal: AbortSignal): Promise<SourceImage | undefined> {
    const { previousImage } = this.#analyzed;
    try {
      const image = previousImage === "" ? undefined : await this.#find(previousImage, signal);
      // A load occupies the connection until it ends, so all queries come first.
      await this.openRunImage(signal);
      await this.#connection.storage(signal);
      this.#opened.resolve();
      return image && new DaemonSource(image);
    } catch (error) {
      this.#opened.reject(error);
      signal.throwIfAborted();
      throw error;
    }
  }

  async openLaunchCache(hashFile: HashFile): Promise<void> {
    const { launchCacheDir, cacheDir } = this.#settings;
    if (launchCacheDir === "") return;
    if (cacheKind(this.#settings) === "directory" && (await isSameDirectory(launchCacheDir, cacheDir))) {
      this.#launchCacheFault = new Fault(
        "EXPORT_CACHE_IN_USE",
        `-launch-cache and -cache-dir name one directory: ${launchCacheDir}`,
        { hint: "Give the launch cache a directory of its own." },
      );
      return;
    }
    const opened = await LaunchCache.open(launchCacheDir, hashFile);
    if (opened instanceof Fault) this.#launchCacheFault = opened;
    else this.#launchCache = opened;
  }

  async findCached(diffId: DiffID): Promise<ExistingContent<SourceImage> | undefined> {
    const tar = await this.#launchCache?.find(diffId);
    if (tar === undefined) return undefined;
    const from = new CachedLayer(diffId, tar);
    return { kind: "existing", descriptor: from.descriptor, from, otherwise: undefined };
  }

  async addBaseLayers(): Promise<void> {}

  async addLayer(
    content: LayerContent<SourceImage>,
    { id }: { readonly id: string; readonly order: number },
    signal: AbortSignal,
  ): Promise<Descriptor> {
    if (content.kind === "existing") {
      this.#launchCache?.add(diffIdOf(content.descriptor), content.otherwise?.layer);
      return content.descriptor;
    }
    const { layer } = content;
    const destination = this.#connection.docker.name;
    const { work } = layer;
    const transfer = this.#monitor.transfer({ destination, image: "app", layer: id, work, unit: "tar" });
    await this.#opened.promise;
    this.#load ??= this.#newLoad(signal);
    try {
      await this.#load.send(layer, transfer);
    } catch (error) {
      transfer.fail(error);
      signal.throwIfAborted();
      if (!isDockerFault(error)) throw error;
      // Saving needs the diffID anyway: it retries once, or reports why every name failed.
      await layer.hash();
    }
    this.#launchCache?.add(await layer.diffId, layer);
    return await describeBuilt(layer);
  }

  async save({ runImage, layers, build }: UnsavedImage, signal: AbortSignal): Promise<SavedImage> {
    const describe = ({ content }: { readonly content: LayerContent<SourceImage> }) =>
      content.kind === "built" ? describeBuilt(content.layer) : content.descriptor;
    const image = build(await Promise.all(layers.map(describe)));
    const base = originOf(runImage);
    const manifestSize = image.manifestDescriptor.size;
    try {
      const id = await this.#loadAll(
        image,
        base,
        layers.map(({ content }) => content),
        signal,
      );
      const names = await putTags(this.#connection, id, this.#references, signal);
      if (names[0]?.failure === undefined) await this.#commitLaunchCache();
      return { names, ...identify(id), manifestSize };
    } catch (error) {
      signal.throwIfAborted();
      if (!isDockerFault(error)) throw error;
      // Names as typed, which is how the log shows them (docs/compatibility.md#daemon-failures-by-name).
      const names = this.#references.map(({ original }) => ({ name: original, failure: error }));
      return { names, ...identify(""), manifestSize };
    }
  }

  async close(): Promise<void> {
    await this.#launchCache?.close();
  }

  async #openRunImage(signal: AbortSignal): Promise<DaemonRunImage> {
    const { runImage } = this.#settings;
    const image = await this.#find(runImage, signal);
    const destination = this.#connection.docker.name;
    if (image === undefined)
      // Fails at once; the reference continues with an empty image (docs/compatibility.md#missing-run-image).
      throw failTo(
        "create new app image",
        new Fault("EXPORT_DAEMON_RUN_IMAGE", `run image ${goQuote(runImage)} is not in the docker daemon`, {
          destination,
          hint: `Pull it into the daemon at ${destination} first.`,
        }),
      );
    if (image.config.rootfs.diff_ids.length === 0) throw noTopLayerFault(destination);
    return new DaemonRunImage(image);
  }

  async #find(name: string, signal: AbortSignal): Promise<DaemonImage | undefined> {
    try {
      return await findImage(this.#connection, name, ownPlatform(), signal);
    } catch (error) {
      signal.throwIfAborted();
      // The leading space is the reference's.
      throw failTo(" image", error);
    }
  }

  async #loadAll(
    image: BuiltImage,
    base: DaemonImage,
    contents: readonly LayerContent<SourceImage>[],
    signal: AbortSignal,
  ): Promise<string> {
    const load = this.#load ?? this.#newLoad(signal);
    const storage = await this.#connection.storage(signal);
    const complete = () => chooseLayers(base, contents, "all");
    if (storage === "containerd") return await this.#complete(load, image, complete(), signal);
    try {
      return await this.#complete(load, image, chooseLayers(base, contents, "unknown"), signal);
    } catch (error) {
      signal.throwIfAborted();
      // docs/compatibility.md#daemon-no-room
      if (!isDockerFault(error) || error.code === "EXPORT_DAEMON_FULL") throw error;
      this.#logger.debug(
        `Sending all layers to the daemon, which rejected the image without them: ${messageOf(error)}`,
      );
      return await this.#complete(this.#newLoad(signal), image, complete(), signal).catch((again: unknown) => {
        // Reports that the daemon stopped during the load, not that nothing listens any more.
        const isGone = isDisconnection(error) && isDockerFault(again) && isDisconnection(again);
        throw isGone ? error : again;
      });
    }
  }

  async #complete(
    load: DaemonLoad,
    image: BuiltImage,
    layers: readonly LoadedLayer[],
    signal: AbortSignal,
  ): Promise<string> {
    await load.complete(image, await Promise.all(layers.map((layer) => this.#fromLaunchCache(layer))));
    return await readId(this.#connection, this.#loadedName(), image.configDescriptor.digest, signal);
  }

  async #fromLaunchCache(layer: LoadedLayer): Promise<LoadedLayer> {
    if (layer.kind !== "saved") return layer;
    const tar = await this.#launchCache?.find(layer.diffId);
    return tar === undefined ? layer : { kind: "cached", tar };
  }

  async #commitLaunchCache(): Promise<void> {
    const fault = this.#launchCacheFault ?? (await this.#launchCache?.commit());
    if (fault !== undefined) this.#logger.warn(`Failed to export launch cache: ${warningOf(fault)}`);
  }

  #newLoad(signal: AbortSignal): DaemonLoad {
    return new DaemonLoad(this.#connection, this.#loadedName(), signal);
  }

  /** Normalized, as in the reference; a name with a digest cannot be a tag and stays as typed. */
  #loadedName(): string {
    const [first] = this.#references;
    return first?.digest === undefined ? (first?.name ?? this.name) : first.original;
  }
}

async function isSameDirectory(one: string, other: string): Promise<boolean> {
  const [real, otherReal] = await Promise.all([one, other].map((path) => realpath(path).catch(() => path)));
  return real === otherReal;
}

function identify(id: string): Pick<SavedImage, "label" | "identifier" | "identifiedBy"> {
  return { label: withoutAlgorithm(id).slice(0, SHORT_ID), identifier: id, identifiedBy: "image-id" };
}

async function describeBuilt(layer: Layer): Promise<Descriptor> {
  return daemonLayer(await layer.diffId, await layer.tarSize);
}
