import type { DiffID, Digest } from "../oci/digest.ts";

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
export interface LayerPlan {
  /** The source's identity, known before any hash. */
  readonly key: string;
  /**
   * The reference's id, for logs: `<bpID>:<layer>`, `slice-1`, `buildpacksio/lifecycle:config`
   * (docs/compatibility.md#layer-order).
   */
  readonly id: string;
  readonly source: LayerSource;
  readonly priority: Priority;
  /** Position in the order of work, from 0; app layers first. */
  readonly order: number;
  /**
   * diffIDs under which the images may already have the layer, from the previous image and the previous cache image. If
   * not empty: hash first, and compress or stream only if none matches (docs/decisions/0004-hash-first.md).
   */
  readonly expected: readonly DiffID[];
  readonly products: LayerProducts;
  /** How many images take the layer: 1, or 2 when the app image and the cache share it. */
  readonly consumers: number;
}
