import type { CacheStore } from "../caches/cache.ts";
import { CacheLayers } from "../caches/layers.ts";
import { planCache } from "../plan/cache.ts";
import { recordCache } from "../plan/records.ts";
import { startTimer } from "../report/timer.ts";
import type { AppLayers } from "./app-layers.ts";
import type { ExportContext } from "./context.ts";
import type { Preparation } from "./prepare.ts";

/** What the cache is made from. */
export interface CacheParts {
  readonly preparation: Preparation;
  readonly cache: CacheStore;
  readonly app: AppLayers;
  /** Settles when it is known whether the app image was saved. */
  readonly appSaved: Promise<void>;
}

/**
 * Makes and saves the cache (docs/compatibility.md#cache-layers).
 * @returns the digest of a cache image; undefined for a directory
 */
export async function exportCache(
  context: ExportContext,
  { preparation, cache, app, appSaved }: CacheParts,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { logger, store, monitor } = context;
  const endTimer = startTimer("Cache", logger);
  try {
    const old = await cache.metadata(logger, signal);
    const plan = planCache(preparation.inputs, preparation.plan, old);
    const layers = await new CacheLayers(plan, { store, monitor, cache, app }, signal).walk(logger);
    const diffIds = new Map(layers.map(({ step, diffId }) => [step, diffId]));
    const record = recordCache(plan.steps, (step) => diffIds.get(step));
    return await cache.commit(layers, record, appSaved, signal);
  } finally {
    endTimer();
  }
}
