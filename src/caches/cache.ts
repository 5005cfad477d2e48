import type { CacheMetadata } from "../cnb/lifecycle-metadata.ts";
import type { AddedLayer, AppDestination } from "../destinations/destination.ts";
import type { Registries } from "../destinations/registry/registries.ts";
import type { Layer } from "../engine/layer.ts";
import type { LayerStore } from "../engine/layer-store.ts";
import type { Logger } from "../logger.ts";
import type { Monitor } from "../observe/monitor.ts";
import type { DiffID } from "../oci/digest.ts";
import type { CacheLayerStep } from "../plan/cache.ts";
import type { ExportSettings } from "../plan/inputs.ts";

export interface CacheContext {
  readonly settings: ExportSettings;
  readonly registries: Registries;
  readonly app: Pick<AppDestination, "repository">;
  readonly store: Pick<LayerStore, "hashFile">;
  readonly logger: Logger;
  readonly monitor: Monitor;
}

export interface CacheInput {
  readonly step: CacheLayerStep;
  readonly layer: Layer;
  readonly app: (AddedLayer & { readonly diffId: DiffID }) | undefined;
}

export interface CacheLayer {
  readonly step: CacheLayerStep;
  readonly diffId: DiffID;
  readonly isReused: boolean;
  readonly flaw: string | undefined;
  /** Settles when the cache has it. A failure leaves out this layer only. */
  readonly added: Promise<void>;
}

/**
 * The port of a cache: an image or a directory (docs/compatibility.md#cache-selection). Members are in the order of
 * use. `access` rejects early, with the fault of `commit`, if the cache may not be saved.
 */
export interface CacheStore {
  readonly name: string;
  readonly access: Promise<void>;
  /**
   * The previous cache's metadata, with the log lines about its state; empty without one.
   * @throws Fault `metadata for previous cache: ...`
   */
  metadata(logger: Logger, signal: AbortSignal): Promise<CacheMetadata>;
  add(input: CacheInput, signal: AbortSignal): Promise<CacheLayer>;
  /**
   * Saves the new cache of these layers, after the app image, so that no cache belongs to a failed app image
   * (docs/compatibility.md#parallel-failures). Until then the previous cache is untouched.
   * @returns the digest of a cache image; undefined for a directory
   * @throws Fault `setting cache metadata: ...`, `committing cache: ...`
   */
  commit(
    layers: readonly CacheLayer[],
    metadata: CacheMetadata,
    appSaved: Promise<void>,
    signal: AbortSignal,
  ): Promise<string | undefined>;
  close(): Promise<void>;
}
