import { type DiffID, isSha256 } from "../oci/digest.ts";
import type { LayerPlan, LayerSource, Priority } from "./layer-plan.ts";

/** What an image or a store takes of a layer. */
export type LayerUse =
  | { readonly kind: "blob" }
  | { readonly kind: "tar-stream" }
  /** A file made in `directory`. */
  | { readonly kind: "tar-file"; readonly directory: string };

interface WantedLayer {
  readonly id: string;
  readonly source: LayerSource;
  readonly expected: Set<DiffID>;
  readonly kinds: Set<LayerUse["kind"]>;
  /** What a store of files has from before, by the directory that the tar is made in. */
  readonly tarFiles: Map<string, Set<DiffID>>;
  consumers: number;
}

/**
 * The identity of a source: equal keys are built once. Ids are not part of it, so two ids share a layer only if they
 * have the same files (docs/compatibility.md#layers-never-share-a-tar).
 */
export function layerKey(source: LayerSource): string {
  switch (source.kind) {
    case "directory":
      return `directory:${source.path}`;
    case "app-slice":
      return `app-slice:${source.index}`;
    case "extension":
      return `extension:${source.index}`;
    default:
      return source.kind;
  }
}

/** Collects the layers that the steps of one image want, each once, in the order in which they are first wanted. */
export class WantedLayers {
  readonly #uses: readonly LayerUse[];
  readonly #wanted = new Map<string, WantedLayer>();

  /** @param uses what the image takes of each layer */
  constructor(...uses: readonly LayerUse[]) {
    this.#uses = uses;
  }

  /**
   * @param previous diffIDs to compare with, as metadata has them; what is none never matches
   * @returns the layer's key
   */
  want(id: string, source: LayerSource, previous: readonly string[]): string {
    const key = layerKey(source);
    const layer = this.#wanted.get(key) ?? newLayer(id, source);
    this.#wanted.set(key, layer);
    takeInto(layer, this.#uses, previous);
    if (this.#uses.some(({ kind }) => kind !== "tar-file")) addTo(layer.expected, previous);
    return key;
  }

  /** A cache takes the layer too, if it is wanted here at all. @param previous what the cache has of it, if it is known */
  alsoTaken(source: LayerSource, use: LayerUse, previous: readonly string[]): void {
    const layer = this.#wanted.get(layerKey(source));
    if (layer !== undefined) takeInto(layer, [use], previous);
  }

  /** @param firstOrder the `order` of the first plan */
  plans(priority: Priority, firstOrder: number): LayerPlan[] {
    return [...this.#wanted].map(([key, { id, source, expected, kinds, tarFiles, consumers }], index) => ({
      key,
      id,
      source,
      priority,
      order: firstOrder + index,
      expected: [...expected],
      products: {
        blob: kinds.has("blob"),
        tarStream: kinds.has("tar-stream"),
        tarFiles: [...tarFiles].map(([directory, known]) => ({ directory, expected: [...known] })),
      },
      consumers,
    }));
  }
}

function newLayer(id: string, source: LayerSource): WantedLayer {
  return { id, source, expected: new Set(), kinds: new Set(), tarFiles: new Map(), consumers: 0 };
}

/** One image more takes the layer. */
function takeInto(layer: WantedLayer, uses: readonly LayerUse[], previous: readonly string[]): void {
  layer.consumers += 1;
  for (const use of uses) {
    layer.kinds.add(use.kind);
    if (use.kind !== "tar-file") continue;
    const known = layer.tarFiles.get(use.directory) ?? new Set();
    layer.tarFiles.set(use.directory, known);
    addTo(known, previous);
  }
}

function addTo(diffIds: Set<DiffID>, previous: readonly string[]): void {
  for (const diffId of previous) if (isDiffId(diffId)) diffIds.add(diffId);
}

function isDiffId(text: string): text is DiffID {
  return isSha256(text);
}
