import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { type HashFile, VolumeCache } from "../../caches/volume-cache.ts";
import { awaitedLater } from "../../concurrency/task-scope.ts";
import type { Layer } from "../../engine/layer.ts";
import { type Fault, failTo } from "../../errors/fault.ts";
import { isInUse } from "../../files/durable-directory.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { DiffID } from "../../oci/digest.ts";
import { emptyImageConfig, type ImageConfig } from "../../oci/image-config.ts";
import { ownPlatform } from "../../oci/manifest.ts";
import type { SourceImage } from "../destination.ts";
import { daemonLayer } from "./source-image.ts";

export interface CachedTar {
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

/** A layer that is in the launch cache alone. */
export class CachedLayer implements SourceImage {
  readonly name = "the launch cache";
  readonly tar: CachedTar;
  readonly descriptor: Descriptor;
  readonly config: ImageConfig;

  constructor(diffId: DiffID, tar: CachedTar) {
    this.tar = tar;
    this.descriptor = daemonLayer(diffId, tar.size);
    const config = emptyImageConfig(ownPlatform());
    this.config = { ...config, rootfs: { ...config.rootfs, diff_ids: [diffId] } };
  }

  get layers(): readonly Descriptor[] {
    return [this.descriptor];
  }
}

/**
 * The tars of the app image's layers in a directory beside a daemon, which save reading layers out of the daemon
 * (docs/compatibility.md#launch-cache). A new layer's tar is written in the pass that sends it; layers that only the
 * daemon has are not cached. `open` and `commit` return the fault if another export uses the directory: unlike in the
 * reference it is not fatal.
 */
export class LaunchCache {
  readonly #volume: VolumeCache;
  readonly #adding: Promise<void>[] = [];

  private constructor(volume: VolumeCache) {
    this.#volume = volume;
  }

  static async open(directory: string, hashFile: HashFile): Promise<LaunchCache | Fault> {
    try {
      return new LaunchCache(await VolumeCache.open(directory, hashFile));
    } catch (error) {
      if (isInUse(error)) return error;
      throw failTo("create launch cache", error);
    }
  }

  get stagingDir(): string {
    return this.#volume.stagingDir;
  }

  add(diffId: DiffID, layer: Layer | undefined): void {
    this.#adding.push(awaitedLater(this.#add(diffId, layer)));
  }

  async find(diffId: DiffID): Promise<CachedTar | undefined> {
    const path = await this.#volume.find(diffId);
    if (path === undefined || (await this.#volume.findFlaw(diffId)) !== undefined) return undefined;
    const { size } = await stat(path);
    return { size, open: () => createReadStream(path) };
  }

  async commit(): Promise<Fault | undefined> {
    try {
      await Promise.all(this.#adding);
      await this.#volume.commit();
      return undefined;
    } catch (error) {
      const cause = this.#volume.explain(error);
      if (isInUse(cause)) return cause;
      throw failTo("commit cache", cause);
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#adding);
    await this.#volume.close();
  }

  async #add(diffId: DiffID, layer: Layer | undefined): Promise<void> {
    if (this.#volume.has(diffId)) return;
    if ((await this.#volume.find(diffId)) !== undefined) this.#volume.keep(diffId);
    else if (layer !== undefined) await this.#volume.add(await layer.tarFile(this.stagingDir), diffId);
  }
}
