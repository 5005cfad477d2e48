import type { LayerTar, StoredTar, TarIndex } from "../../workers/protocol.ts";
import { untilAborted } from "../concurrency/abort.ts";
import { FIRST_COME, isBackground, PriorityLimiter } from "../concurrency/limiter.ts";
import { Fault } from "../errors/fault.ts";
import { Monitor } from "../observe/monitor.ts";
import type { DiffID } from "../oci/digest.ts";
import type { ExtensionSource, LayerPlan, LocalSource, Rank } from "../plan/layers.ts";
import type { EarlyLayers } from "./early-builder.ts";
import type { BlobFiles, Layer } from "./layer.ts";
import { LayerBuild, type LayerEngine } from "./layer-build.ts";
import type { WorkerPool } from "./pool.ts";
import { maxBlobSize, SpooledBlob } from "./spool.ts";
import { closeSpoolFile, openNamelessFile, SpoolFiles } from "./spool-files.ts";
import { newDiskLimiters } from "./tar-file.ts";

/**
 * Concurrent layer builds. One large layer alone keeps all threads busy; the others hide the start and end latency of
 * small layers, and use the cores while one waits for its hash.
 */
const PASSES = 4;

/**
 * Slots for cache-only layers until the app image is ready. A slot keeps at most one worker busy, so one core stays
 * free for the main thread, which still uploads the app image after its last layer is compressed.
 */
function backgroundSlots(workers: number): number {
  return Math.max(1, workers - 1);
}

export interface LayerStoreOptions {
  readonly blobFiles?: BlobFiles;
  readonly monitor?: Monitor;
  readonly isAppAhead?: () => boolean;
  readonly maxSpools?: number;
  readonly early?: EarlyLayers | undefined;
}

/**
 * Maps a layer's key to the layer, so that images that share a layer share its build (docs/architecture.md#principles).
 * Compressed bytes wait in `spoolDir` for their uploads.
 */
export class LayerStore {
  readonly #engine: LayerEngine;
  readonly #layers = new Map<string, LayerBuild>();
  readonly #appScans = new Map<string, Promise<readonly TarIndex[]>>();
  readonly #scans: PriorityLimiter;
  readonly #rehashes = new PriorityLimiter(1);
  readonly #spoolDir: string;
  readonly #early: EarlyLayers | undefined;
  readonly #abortedCopies: number[] = [];

  constructor(
    pool: WorkerPool,
    spoolDir: string,
    {
      blobFiles = async () => undefined,
      monitor = new Monitor(),
      isAppAhead = () => false,
      maxSpools = Number.POSITIVE_INFINITY,
      early,
    }: LayerStoreOptions = {},
  ) {
    const spools = new SpoolFiles(spoolDir, maxSpools);
    this.#engine = {
      pool,
      monitor,
      passes: { app: new PriorityLimiter(PASSES), cache: new PriorityLimiter(PASSES) },
      disk: newDiskLimiters(maxSpools),
      openSpool: async (plan, tarSize) => {
        const directory = await blobFiles(plan);
        if (directory !== undefined) return await SpooledBlob.named(directory);
        return SpooledBlob.in(await spools.open(maxBlobSize(pool.arena, tarSize)));
      },
    };
    pool.slots.limitBackground(backgroundSlots(pool.workers), isAppAhead);
    this.#scans = new PriorityLimiter(pool.workers);
    const { passes } = this.#engine;
    monitor.queues.set("layers", () => passes.app.waiting + passes.cache.waiting + this.#scans.waiting);
    monitor.queues.set("blocks", () => pool.slots.waiting);
    this.#spoolDir = spoolDir;
    this.#early = early;
  }

  /**
   * Starts the build at the first call for a key.
   * @param signal cancels the build; only the first caller's counts
   */
  layer(plan: LayerPlan, signal: AbortSignal): Layer {
    const known = this.#layers.get(plan.key);
    if (known !== undefined) return known;
    const layer = this.#build(plan, signal);
    this.#layers.set(plan.key, layer);
    return layer;
  }

  /** Frees threads and connections from early layers that no image takes. @param keys of the layers that images take */
  dropEarlyBut(keys: ReadonlySet<string>): void {
    this.#early?.keepOnly(keys);
  }

  async hashFile(path: string): Promise<DiffID> {
    return await this.#rehashes.run(FIRST_COME, () => this.#engine.pool.hashFile(path));
  }

  onAppReady(): void {
    this.#engine.pool.slots.liftLimit();
  }

  get layers(): readonly Layer[] {
    return [...this.#layers.values()];
  }

  /**
   * Frees layers that consumers have not released because of a failure: their files would last as long as the process.
   * Call after the end of the threads, which may still write to the file of an aborted copy.
   */
  async close(): Promise<void> {
    for (const layer of this.#layers.values()) layer.free();
    await Promise.all(this.#abortedCopies.map(closeSpoolFile));
  }

  #build(plan: LayerPlan, signal: AbortSignal): LayerBuild {
    const { source, key } = plan;
    const early = this.#early;
    if (source.kind !== "directory" || !early?.has(key))
      return new LayerBuild(plan, this.#tar(plan, signal), this.#engine, signal);
    const stamping = this.#scan(() => this.#engine.pool.stamp(source), plan, signal);
    // The scan reports a tree that cannot be read.
    const claim = stamping.then(
      (stamp) => early.claim(key, stamp),
      () => undefined,
    );
    const tar = claim.then((claimed) => claimed?.index ?? this.#tar(plan, signal));
    const layer = claim.then((claimed) => claimed && untilAborted(claimed.layer, signal));
    return new LayerBuild(plan, tar, this.#engine, signal, layer);
  }

  async #tar(plan: LayerPlan, signal: AbortSignal): Promise<LayerTar> {
    const { source } = plan;
    if (source.kind === "extension") return await this.#copy(source, plan, signal);
    if (source.kind !== "app-slice") return single(await this.#scanAll(source, plan, signal));
    // The slices of one directory depend on each other, so one scan indexes all of them.
    const key = `${source.appDir}\0${JSON.stringify(source.slices)}`;
    let scan = this.#appScans.get(key);
    if (scan === undefined) {
      scan = this.#scanAll(source, plan, signal);
      this.#appScans.set(key, scan);
    }
    return single((await scan).slice(source.index));
  }

  #scanAll(source: LocalSource, rank: Rank, signal: AbortSignal): Promise<readonly TarIndex[]> {
    return this.#scan(() => this.#engine.pool.scan(source), rank, signal);
  }

  async #scan<Scanned>(start: () => Promise<Scanned>, rank: Rank, signal: AbortSignal): Promise<Scanned> {
    const scan = async () => {
      // Cache-only layers are not scanned while blocks of the app image wait for a thread.
      const slot = isBackground(rank) ? await this.#engine.pool.slots.acquire(rank, signal) : undefined;
      try {
        // A thread cannot interrupt its walk of a huge tree, so stop waiting for it.
        return await untilAborted(start(), signal);
      } finally {
        slot?.release();
      }
    };
    return await this.#scans.run(rank, scan, signal);
  }

  async #copy(source: ExtensionSource, rank: Rank, signal: AbortSignal): Promise<StoredTar> {
    const copy = async (): Promise<StoredTar> => {
      const file = await openNamelessFile(this.#spoolDir);
      try {
        return await untilAborted(this.#engine.pool.copy(source, file), signal);
      } catch (error) {
        // An aborted copy still writes to the descriptor, so its number must not be reused.
        if (signal.aborted) this.#abortedCopies.push(file.fileDescriptor);
        else await closeSpoolFile(file.fileDescriptor);
        throw error;
      }
    };
    return await this.#scans.run(rank, copy, signal);
  }
}

function single(indexes: readonly TarIndex[]): TarIndex {
  const index = indexes[0];
  if (index === undefined) throw new Fault("EXPORT_INTERNAL", "a scan returned no tar index");
  return index;
}
