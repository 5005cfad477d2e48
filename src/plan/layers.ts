import { type DiffID, type Digest, isSha256 } from "../oci/digest.ts";

/** Where a layer's tar comes from: built here, or made by an image extension (docs/compatibility.md#extension-tars). */
export type LayerSource = LocalSource | ExtensionSource;

/** A blob of the extended run image's OCI layout; `index` is its layer's number there, from 0. */
export interface ExtensionSource {
  readonly kind: "extension";
  readonly index: number;
  readonly path: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * Files that a tar is built from (docs/compatibility.md#entry-order-and-owners). Paths are byte strings: one character
 * per byte (latin1).
 */
export type LocalSource =
  | { readonly kind: "directory"; readonly path: string; readonly uid: number; readonly gid: number }
  | {
      readonly kind: "app-slice";
      readonly appDir: string;
      /** Patterns of all slices in order; `index` of this layer counts from 0, the rest layer is `slices.length`. */
      readonly slices: readonly (readonly string[])[];
      readonly index: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly kind: "launcher"; readonly path: string }
  | { readonly kind: "process-types"; readonly types: readonly string[] };

/** Smaller values go first in every queue. */
export type Priority = number;
export const APP_PRIORITY: Priority = 0;
export const CACHE_PRIORITY: Priority = 1;

/** Queue position: the smaller priority first, then the smaller order. */
export interface Rank {
  readonly priority: Priority;
  /** Position in the order of work, from 0; app layers first. */
  readonly order: number;
}

/** A tar of a layer in a file, for a store of files. */
export interface TarFilePlan {
  /** Where it is made, under a name of its own; the store gives it another. */
  readonly directory: string;
  /** diffIDs that the store has from before, so that the file may not be needed. Not empty: made only when asked for. */
  readonly expected: readonly DiffID[];
}

/**
 * What a layer becomes, besides its diffID, for all images and stores together (docs/architecture.md#principles). Other
 * products are made only on request.
 */
export interface LayerProducts {
  /** Compressed bytes, for registries and layouts. */
  readonly blob: boolean;
  /** The tar's bytes in order, for a daemon. */
  readonly tarStream: boolean;
  /** One for each directory. */
  readonly tarFiles: readonly TarFilePlan[];
}

/** A layer that has local contents and is to be made. Two plans with one key are one layer. */
export interface LayerPlan extends Rank {
  /** The source's identity, known before any hash. */
  readonly key: string;
  /**
   * The reference's id, for logs: `<bpID>:<layer>`, `slice-1`, `buildpacksio/lifecycle:config`
   * (docs/compatibility.md#layer-order).
   */
  readonly id: string;
  readonly source: LayerSource;
  /**
   * diffIDs under which the images may already have the layer, from the previous image and the previous cache image. If
   * not empty: hash first, and compress or stream only if none matches (docs/decisions/0004-hash-first.md).
   */
  readonly expected: readonly DiffID[];
  readonly products: LayerProducts;
  /** How many images take the layer: 1, or 2 when the app image and the cache share it. */
  readonly consumers: number;
}

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
