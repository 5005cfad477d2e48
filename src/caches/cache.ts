import type { CacheMetadata } from "../cnb/lifecycle-metadata.ts";
import type { Layer } from "../engine/layer.ts";
import type { AppLayer } from "../export/app-layers.ts";
import type { Logger } from "../logger.ts";
import type { DiffID } from "../oci/digest.ts";
import type { CacheLayerStep } from "../plan/cache.ts";

/** A layer that a cache is to take. */
export interface CacheInput {
  readonly step: CacheLayerStep;
  readonly layer: Layer;
  /** The same layer in the app image, if that has it. */
  readonly app: AppLayer | undefined;
}

/** A layer on its way into a cache. */
export interface CacheLayer {
  readonly step: CacheLayerStep;
  readonly diffId: DiffID;
  /** Whether it is the previous cache's. */
  readonly isReused: boolean;
  /** Why it is not, though the previous cache has it; for the log. */
  readonly flaw: string | undefined;
  /** Settles when the cache has it. A failure leaves out this layer only. */
  readonly added: Promise<void>;
}

/**
 * Where a cache is kept: in an image or in a directory. Nothing else in an export knows which
 * (docs/compatibility.md#cache-selection).
 */
export interface CacheStore {
  /** As given. */
  readonly name: string;
  /** Rejects, early, when the cache may not be saved: with the fault of {@link commit}. */
  readonly access: Promise<void>;
  /**
   * What the previous cache has, with the log lines about its state; empty for none.
   * @throws Fault `metadata for previous cache: ...`
   */
  metadata(logger: Logger, signal: AbortSignal): Promise<CacheMetadata>;
  /** Brings a layer into the new cache. @throws Fault when the layer cannot be made */
  bring(input: CacheInput, signal: AbortSignal): Promise<CacheLayer>;
  /**
   * Makes the new cache of these layers, once the app image is saved, so that no cache belongs to a failed app image
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
  /** Removes what is left of a cache that was not committed, as far as it is here. */
  close(): Promise<void>;
}
