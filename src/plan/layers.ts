import { Fault } from "../errors/fault.ts";
import { type DiffID, type Digest, isSha256 } from "../oci/digest.ts";

export type LayerSource = LocalSource | ExtensionSource;

/**
 * A blob of the extended run image's OCI layout; `index` is its layer's number there, from 0
 * (docs/compatibility.md#extension-tars).
 */
export interface ExtensionSource {
  readonly kind: "extension";
  readonly index: number;
  readonly path: string;
  readonly digest: Digest;
}

export interface DirectorySource {
  readonly kind: "directory";
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Files that a tar is built from (docs/compatibility.md#entry-order-and-owners). Paths are byte strings: one character
 * per byte (latin1).
 */
export type LocalSource =
  | DirectorySource
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

export type Priority = number;
export const APP_PRIORITY: Priority = 0;
export const CACHE_PRIORITY: Priority = 1;

export interface Rank {
  readonly priority: Priority;
  readonly order: number;
}

export interface TarFilePlan {
  readonly directory: string;
  /** diffIDs that the directory already has. If not empty, the file is written on request only. */
  readonly expected: readonly DiffID[];
}

/**
 * The planned products of a layer besides its diffID, for all images and stores together
 * (docs/architecture.md#principles). Other products are built on request.
 */
export interface LayerProducts {
  readonly blob: boolean;
  readonly tarStream: boolean;
  readonly tarFiles: readonly TarFilePlan[];
}

export interface LayerPlan extends Rank {
  readonly key: string;
  /**
   * The reference's id, for logs: `<bpID>:<layer>`, `slice-1`, `buildpacksio/lifecycle:config`
   * (docs/compatibility.md#layer-order).
   */
  readonly id: string;
  readonly source: LayerSource;
  /**
   * diffIDs under which the previous image or cache image may already have the layer. If not empty: hash first, and
   * compress or stream only if none matches (docs/decisions/0004-hash-first.md).
   */
  readonly expected: readonly DiffID[];
  readonly products: LayerProducts;
  readonly consumers: number;
}

/** @param step of the same plan */
export function layerOf(
  plan: { readonly layers: readonly LayerPlan[] },
  step: Pick<LayerPlan, "id" | "key">,
): LayerPlan {
  const layer = plan.layers.find(({ key }) => key === step.key);
  if (layer === undefined) throw new Fault("EXPORT_INTERNAL", `no layer is planned for ${step.id}`);
  return layer;
}

export type LayerUse =
  | { readonly kind: "blob" }
  | { readonly kind: "tar-stream" }
  | { readonly kind: "tar-file"; readonly directory: string };

interface PlannedLayer {
  readonly id: string;
  readonly source: LayerSource;
  readonly expected: Set<DiffID>;
  readonly kinds: Set<LayerUse["kind"]>;
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

export class LayerPlanner {
  readonly #uses: readonly LayerUse[];
  readonly #layers = new Map<string, PlannedLayer>();

  constructor(...uses: readonly LayerUse[]) {
    this.#uses = uses;
  }

  plan(id: string, source: LayerSource, previous: readonly string[]): string {
    const key = layerKey(source);
    const layer = this.#layers.get(key) ?? newLayer(id, source);
    this.#layers.set(key, layer);
    addUses(layer, this.#uses, previous);
    if (this.#uses.some(({ kind }) => kind !== "tar-file")) addTo(layer.expected, previous);
    return key;
  }

  addConsumer(source: LayerSource, use: LayerUse, previous: readonly string[]): void {
    const layer = this.#layers.get(layerKey(source));
    if (layer !== undefined) addUses(layer, [use], previous);
  }

  plans(priority: Priority, firstOrder: number): LayerPlan[] {
    return [...this.#layers].map(([key, { id, source, expected, kinds, tarFiles, consumers }], index) => ({
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

function newLayer(id: string, source: LayerSource): PlannedLayer {
  return { id, source, expected: new Set(), kinds: new Set(), tarFiles: new Map(), consumers: 0 };
}

function addUses(layer: PlannedLayer, uses: readonly LayerUse[], previous: readonly string[]): void {
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
