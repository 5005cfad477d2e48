import { logBuildpackDirectory } from "../build-output/buildpack-layers.ts";
import type { Layer } from "../engine/layer.ts";
import type { LayerStore } from "../engine/layer-store.ts";
import { Fault, messageOf, withContext } from "../errors/fault.ts";
import type { AppLayer, AppLayers } from "../export/app-layers.ts";
import { goQuote } from "../go/format.ts";
import type { Logger } from "../logger.ts";
import type { Monitor } from "../observe/monitor.ts";
import type { CacheFaultStep, CacheLayerStep, CachePlan, CacheStep } from "../plan/cache.ts";
import type { CacheLayer, CacheStore } from "./cache.ts";

/** Where the cache's layers come from and go to. */
export interface CacheEnds {
  readonly store: LayerStore;
  readonly monitor: Monitor;
  readonly app: AppLayers;
  readonly cache: CacheStore;
}

/**
 * The cache's layers. Like the app's they all start at once, but behind those at every queue; what the app image takes too is
 * made once for both.
 */
export class CacheLayers {
  readonly #plan: CachePlan;
  readonly #ends: CacheEnds;
  readonly #signal: AbortSignal;
  readonly #started = new Map<CacheLayerStep, Promise<CacheLayer>>();

  constructor(plan: CachePlan, ends: CacheEnds, signal: AbortSignal) {
    this.#plan = plan;
    this.#ends = ends;
    this.#signal = signal;
    for (const step of plan.steps) {
      if (step.kind !== "layer") continue;
      const started = this.#start(step);
      // The walk comes to it later.
      started.then(({ added }) => added).catch(() => undefined);
      this.#started.set(step, started);
    }
  }

  /**
   * Waits for every layer in order, with the reference's log lines (docs/compatibility.md#cache-layers,
   * docs/compatibility.md#cache-layer-reuse). A layer that cannot be built or added is skipped with a warning; a
   * failing SBOM layer ends the cache export.
   */
  async walk(logger: Logger): Promise<CacheLayer[]> {
    const layers: CacheLayer[] = [];
    for (const step of this.#plan.steps) {
      if (step.kind === "fault") throw step.fault;
      announce(step, logger);
      if (step.kind !== "layer") continue;
      try {
        const layer = await this.#made(step);
        this.#log(layer, logger);
        await layer.added;
        layers.push(layer);
      } catch (error) {
        this.#signal.throwIfAborted();
        if (step.role.kind === "cache-sbom") throw error;
        logger.warn(`Failed to cache layer '${step.id}': ${messageOf(error)}`);
      }
    }
    return layers;
  }

  async #made(step: CacheLayerStep): Promise<CacheLayer> {
    try {
      return await (this.#started.get(step) as Promise<CacheLayer>);
    } catch (error) {
      throw withContext(step.making, error);
    }
  }

  async #start(step: CacheLayerStep): Promise<CacheLayer> {
    const app = await this.#ends.app.byKey(step.key);
    const layer = app === undefined ? this.#own(step) : contentsOf(step, app);
    const { cache, monitor } = this.#ends;
    const brought = await cache.bring({ step, layer, app }, this.#signal);
    if (brought.isReused) monitor.emit({ event: "layer-reused", id: step.id, image: "cache", diffId: brought.diffId });
    return brought;
  }

  /** A layer of the cache alone. */
  #own(step: CacheLayerStep): Layer {
    const plan = this.#plan.layers.find(({ key }) => key === step.key);
    if (plan === undefined) throw new Fault("EXPORT_INTERNAL", `no layer is planned for ${step.id}`);
    return this.#ends.store.layer(plan, this.#signal);
  }

  #log({ step, diffId, isReused, flaw }: CacheLayer, logger: Logger): void {
    const { id } = step;
    const isMadeBefore = step.role.kind === "cache-sbom" || this.#ends.app.byKey(step.key) !== undefined;
    if (isMadeBefore) logger.debug(`Reusing tarball for layer ${goQuote(id)} with SHA: ${diffId}`);
    if (flaw !== undefined) logger.warn(`Skipping reuse for layer ${id}: ${flaw}`);
    // The reference logs both lines for a reused layer; here it is still listed once
    // (docs/compatibility.md#cached-layers-listed-once).
    for (const verb of isReused ? ["Reusing", "Adding"] : ["Adding"]) {
      logger.info(`${verb} cache layer '${id}'`);
      logger.debug(`Layer '${id}' SHA: ${diffId}`);
    }
  }
}

/** The contents that a layer of the app image was made of, or would be. */
function contentsOf({ id }: CacheLayerStep, { content }: AppLayer): Layer {
  const layer = content.kind === "made" ? content.layer : content.otherwise?.layer;
  if (layer === undefined) throw new Fault("EXPORT_INTERNAL", `layer ${id} has no contents to share`);
  return layer;
}

function announce(step: Exclude<CacheStep, CacheFaultStep>, logger: Logger): void {
  if (step.kind === "buildpack") logBuildpackDirectory(step.layers, logger);
  else if (step.kind === "no-contents") logger.warn(`Failed to cache layer '${step.id}' because it has no contents`);
  else if (step.role.kind === "cache-sbom") logger.debug(`Found SBOM of type cache for at ${step.role.path}`);
}
