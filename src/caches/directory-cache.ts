import type { CacheMetadata } from "../cnb/lifecycle-metadata.ts";
import { untilAborted } from "../concurrency/abort.ts";
import type { Layer } from "../engine/layer.ts";
import { withContext } from "../errors/fault.ts";
import type { Monitor } from "../observe/monitor.ts";
import type { DiffID } from "../oci/digest.ts";
import { CACHE_PRIORITY } from "../plan/layers.ts";
import type { CacheInput, CacheLayer, CacheStore } from "./cache.ts";
import type { VolumeCache } from "./volume-cache.ts";

/**
 * The cache as a directory of tars (docs/compatibility.md#cache-directory). A new layer's tar is written in the pass
 * that builds the app image's products; a tar of the previous cache stays in place once it is verified.
 */
export class DirectoryCache implements CacheStore {
  readonly name: string;
  readonly access = Promise.resolve();
  readonly #volume: VolumeCache;
  readonly #monitor: Monitor;

  constructor(name: string, volume: VolumeCache, monitor: Monitor) {
    this.name = name;
    this.#monitor = monitor;
    this.#volume = volume;
  }

  async metadata(): Promise<CacheMetadata> {
    try {
      return await this.#volume.metadata();
    } catch (error) {
      throw withContext("metadata for previous cache", error);
    }
  }

  async add({ step, layer }: CacheInput, signal: AbortSignal): Promise<CacheLayer> {
    const diffId = await layer.diffId;
    const isKnown = step.previous === diffId;
    const flaw = isKnown ? await untilAborted(this.#volume.findFlaw(diffId), signal) : undefined;
    const isReused = isKnown && flaw === undefined;
    if (isReused) this.#volume.keep(diffId);
    const added = isReused ? Promise.resolve() : this.#add(layer, diffId, signal);
    const release = () => layer.release();
    added.then(release, release);
    return { step, diffId, isReused, flaw, added };
  }

  async commit(
    _layers: readonly CacheLayer[],
    metadata: CacheMetadata,
    appSaved: Promise<void>,
    signal: AbortSignal,
  ): Promise<undefined> {
    await appSaved;
    signal.throwIfAborted();
    await this.#volume.commit(metadata);
  }

  async close(): Promise<void> {
    await this.#volume.close();
  }

  async #add(layer: Layer, diffId: DiffID, signal: AbortSignal): Promise<void> {
    if (this.#volume.has(diffId)) return;
    const { id, order } = layer.plan;
    const { work } = layer;
    // The tar is written while it is built.
    const polledBytes = () => work.builtInPass;
    const transfer = this.#monitor.transfer({
      destination: this.name,
      image: "cache",
      layer: id,
      work,
      unit: "tar",
      polledBytes,
    });
    try {
      transfer.begin();
      const tar = await layer.tarFile(this.#volume.stagingDir, { priority: CACHE_PRIORITY, order });
      await this.#volume.add(tar, diffId);
      transfer.done(diffId, tar.size, "uploaded");
    } catch (error) {
      transfer.fail(error);
      signal.throwIfAborted();
      throw withContext(`caching layer (${diffId})`, this.#volume.explain(error));
    }
  }
}
