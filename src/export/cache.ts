import { logBuildpackDirectory } from "../build-output/buildpack-layers.ts";
import type { CacheLayer, CacheStore } from "../caches/cache.ts";
import type { OpeningCache } from "../caches/open.ts";
import { untilAborted } from "../concurrency/abort.ts";
import { type TaskScope, withTasks } from "../concurrency/task-scope.ts";
import type { Layer } from "../engine/layer.ts";
import { Fault, messageOf, warningOf, withContext } from "../errors/fault.ts";
import { printableLine } from "../errors/printable.ts";
import { goQuote } from "../go/format.ts";
import type { Logger } from "../logger.ts";
import { type CacheFaultStep, type CacheLayerStep, type CachePlan, type CacheStep, planCache } from "../plan/cache.ts";
import { layerOf } from "../plan/layers.ts";
import { recordCache } from "../plan/records.ts";
import { timed } from "../report/timer.ts";
import type { AppLayer, AppLayers } from "./app-layers.ts";
import type { ExportContext } from "./context.ts";
import type { Preparation } from "./prepare.ts";

/**
 * Exports the cache, if there is one. Its failure is a warning (docs/compatibility.md#cache-selection) and cancels all
 * work for it.
 * @param appSaved rejects if the app image is not saved, which also ends the cache's export
 */
export async function exportCache(
  context: ExportContext,
  preparation: Preparation,
  opening: OpeningCache,
  appSaved: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { logger, monitor } = context;
  try {
    const cache = await opening.store;
    if (cache === undefined) return;
    monitor.cacheBegan();
    if (cache instanceof Fault) throw cache;
    const digest = await withTasks(signal, async (tasks) => {
      tasks.guard(cache.access);
      tasks.guard(appSaved);
      return await timed("Cache", logger, () => saveCache(context, preparation, cache, appSaved, tasks));
    });
    monitor.emit({ event: "cache-ready", reference: cache.name, ...(digest && { digest }) });
  } catch (error) {
    logger.warn(`Failed to export cache: ${warningOf(error)}`);
    monitor.cacheFailed(error);
  }
}

async function saveCache(
  context: ExportContext,
  { inputs, plan: appPlan, layers: app }: Preparation,
  cache: CacheStore,
  appSaved: Promise<void>,
  tasks: TaskScope,
): Promise<string | undefined> {
  const { logger } = context;
  const old = await cache.metadata(logger, tasks.signal);
  const plan = planCache(inputs, appPlan, old);
  const layers = await new CacheLayers({ context, plan, cache, app, appSaved }, tasks).walk(logger);
  const diffIds = new Map(layers.map(({ step, diffId }) => [step, diffId]));
  const record = recordCache(plan.steps, (step) => diffIds.get(step));
  return await cache.commit(layers, record, appSaved, tasks.signal);
}

interface CacheExport {
  readonly context: ExportContext;
  readonly plan: CachePlan;
  readonly cache: CacheStore;
  readonly app: AppLayers;
  readonly appSaved: Promise<void>;
}

/**
 * The cache's layers in progress (docs/compatibility.md#cache-layers, docs/compatibility.md#cache-layer-reuse). They
 * also start at once, but behind the app's in every queue; a layer that both images need is built once. A layer that
 * cannot be built or added is skipped with a warning; a failing SBOM layer ends the cache export.
 */
class CacheLayers {
  readonly #export: CacheExport;
  readonly #signal: AbortSignal;
  readonly #started = new Map<CacheLayerStep, Promise<CacheLayer>>();

  constructor(cacheExport: CacheExport, tasks: TaskScope) {
    this.#export = cacheExport;
    this.#signal = tasks.signal;
    for (const step of cacheExport.plan.steps) {
      if (step.kind !== "layer") continue;
      const started = tasks.fork(() => this.#start(step));
      // The scope ends after the last write into the cache.
      void tasks.fork(async () => (await started).added);
      this.#started.set(step, started);
    }
  }

  async walk(logger: Logger): Promise<CacheLayer[]> {
    const layers: CacheLayer[] = [];
    for (const step of this.#export.plan.steps) {
      if (step.kind === "fault") throw step.fault;
      announce(step, logger);
      if (step.kind !== "layer") continue;
      try {
        const layer = await this.#layer(step);
        this.#log(layer, logger);
        await layer.added;
        layers.push(layer);
      } catch (error) {
        this.#signal.throwIfAborted();
        if (step.role.kind === "cache-sbom") throw error;
        logger.warn(`Failed to cache layer '${printableLine(step.id)}': ${messageOf(error)}`);
      }
    }
    return layers;
  }

  async #layer(step: CacheLayerStep): Promise<CacheLayer> {
    try {
      return await (this.#started.get(step) as Promise<CacheLayer>);
    } catch (error) {
      throw withContext(step.errorContext, error);
    }
  }

  async #start(step: CacheLayerStep): Promise<CacheLayer> {
    const { context, plan, cache, app, appSaved } = this.#export;
    // A shared layer that fails is the app image's failure, which ends the cache as a whole.
    const sharing = app.byKey(step.key)?.catch(async (error: unknown) => {
      await appSaved;
      throw error;
    });
    const shared = await (sharing && untilAborted(sharing, this.#signal));
    const layer =
      shared === undefined ? context.store.layer(layerOf(plan, step), this.#signal) : contentsOf(step, shared);
    const added = await cache.add({ step, layer, app: shared }, this.#signal);
    if (added.isReused)
      context.monitor.emit({ event: "layer-reused", id: step.id, image: "cache", diffId: added.diffId });
    return added;
  }

  #log({ step, diffId, isReused, flaw }: CacheLayer, logger: Logger): void {
    const { id } = step;
    const isBuiltBefore = step.role.kind === "cache-sbom" || this.#export.app.byKey(step.key) !== undefined;
    if (isBuiltBefore) logger.debug(`Reusing tarball for layer ${goQuote(id)} with SHA: ${diffId}`);
    if (flaw !== undefined) logger.warn(`Skipping reuse for layer ${printableLine(id)}: ${flaw}`);
    // The reference logs both lines for a reused layer; here it is still listed once
    // (docs/compatibility.md#cached-layers-listed-once).
    for (const verb of isReused ? ["Reusing", "Adding"] : ["Adding"]) {
      logger.info(`${verb} cache layer '${id}'`);
      logger.debug(`Layer '${id}' SHA: ${diffId}`);
    }
  }
}

function contentsOf({ id }: CacheLayerStep, { content }: AppLayer): Layer {
  const layer = content.kind === "built" ? content.layer : content.otherwise?.layer;
  if (layer === undefined) throw new Fault("EXPORT_INTERNAL", `layer ${id} has no contents to share`);
  return layer;
}

function announce(step: Exclude<CacheStep, CacheFaultStep>, logger: Logger): void {
  if (step.kind === "buildpack") logBuildpackDirectory(step.layers, logger);
  else if (step.kind === "no-contents")
    logger.warn(`Failed to cache layer '${printableLine(step.id)}' because it has no contents`);
  else if (step.role.kind === "cache-sbom") logger.debug(`Found SBOM of type cache for at ${step.role.path}`);
}
