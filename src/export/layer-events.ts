import type { Layer } from "../layers/layer.ts";
import type { ExportRun } from "./context.ts";

/** Tells of every layer what was done for it; after a successful export. */
export async function emitLayers({ store, monitor }: Pick<ExportRun, "store" | "monitor">): Promise<void> {
  for (const layer of store.layers) await emitLayer(layer, monitor);
}

async function emitLayer(layer: Layer, monitor: ExportRun["monitor"]): Promise<void> {
  const { plan, counters } = layer;
  try {
    const [diffId, tarSize] = await Promise.all([layer.diffId, layer.tarSize]);
    const size = counters.compressions > 0 ? (await (await layer.blob()).done).size : undefined;
    const sized = size === undefined ? {} : { size };
    monitor.emit({ event: "layer", id: plan.id, diffId, tarSize, ...sized, images: plan.consumers, ...counters });
  } catch {
    // A layer of the cache that could not be made; the log has its warning.
  }
}
