import type { Priority } from "../../../src/plan/layers.ts";

/** What one block takes of the threads that handle it, in ms. */
export interface BlockCosts {
  /** Of a worker: reading, compressing, CRC-32. */
  readonly makeMs: number;
  /** SHA-256 of the tar's bytes. */
  readonly tarHashMs: number;
  /** SHA-256 of the compressed bytes, and writing them to the spool. */
  readonly blobHashMs: number;
  readonly outputBytes: number;
}

export interface LayerCosts {
  readonly priority: Priority;
  readonly order: number;
  /** Of a worker. */
  readonly scanMs: number;
  readonly blocks: readonly BlockCosts[];
  readonly destinations: readonly ("app" | "cache")[];
}

/** What does not depend on the layer, in ms. */
export interface FixedCosts {
  /** An export of next to nothing: start, manifests, end. */
  readonly startMs: number;
  /** From one thread to another until it runs. */
  readonly messageMs: number;
  readonly mainPerBlockMs: number;
  /** For each MB sent, of the main thread and of the registry. */
  readonly mainPerMBMs: number;
  readonly registryPerMBMs: number;
}
