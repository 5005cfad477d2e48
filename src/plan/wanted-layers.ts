import { type DiffID, isSha256 } from "../oci/digest.ts";
import type { LayerPlan, LayerSource, Priority } from "./layer-plan.ts";

interface WantedLayer {
  readonly id: string;
  readonly source: LayerSource;
  readonly expected: Set<DiffID>;
  consumers: number;
}

/**
 * The identity of a source: what is equal here is made once. Ids play no part, so that two of them share a layer only
 * where they are the same files (D3).
 */
export function layerKey(source: LayerSource): string {
  switch (source.kind) {
    case "directory":
      return `directory:${source.path}`;
    case "app-slice":
      return `app-slice:${source.index}`;
    default:
      return source.kind;
  }
}

/** Collects the layers that the steps of one image want, each once, in the order in which they are first wanted. */
export class WantedLayers {
  readonly #wanted = new Map<string, WantedLayer>();

  /**
   * @param previous diffIDs to compare with, as metadata has them; what is none never matches
   * @returns the layer's key
   */
  want(id: string, source: LayerSource, previous: readonly string[]): string {
    const key = layerKey(source);
    const layer = this.#wanted.get(key) ?? { id, source, expected: new Set<DiffID>(), consumers: 0 };
    this.#wanted.set(key, layer);
    layer.consumers += 1;
    for (const diffId of previous) if (isDiffId(diffId)) layer.expected.add(diffId);
    return key;
  }

  /** Another image takes the layer too, if it is wanted here at all. */
  alsoTaken(source: LayerSource): void {
    const layer = this.#wanted.get(layerKey(source));
    if (layer !== undefined) layer.consumers += 1;
  }

  /** @param firstOrder the `order` of the first plan */
  plans(priority: Priority, firstOrder: number): LayerPlan[] {
    return [...this.#wanted].map(([key, { id, source, expected, consumers }], index) => ({
      key,
      id,
      source,
      priority,
      order: firstOrder + index,
      expected: [...expected],
      consumers,
    }));
  }
}

function isDiffId(text: string): text is DiffID {
  return isSha256(text);
}
