import type { TomlDate } from "smol-toml";

/**
 * A value of a TOML or JSON document whose shape the buildpack chooses. Integers from TOML are BigInts, for they have 64
 * bits and TOML output tells `1` from `1.0`; floats are numbers. Dates print all their digits (`toISOString`).
 */
export type FreeValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | TomlDate
  | readonly FreeValue[]
  | { readonly [key: string]: FreeValue };

/** What the platform spec's `io.buildpacks.lifecycle.metadata` says of one layer; `diffId` is its member `sha` ("" if unknown). */
export interface LayerRecord {
  readonly diffId: string;
  readonly data: FreeValue;
  readonly build: boolean;
  readonly launch: boolean;
  readonly cache: boolean;
}

/**
 * One buildpack's part of the lifecycle or cache metadata (docs/compatibility.md#labels,
 * docs/compatibility.md#cache-metadata).
 */
export interface BuildpackRecord {
  readonly key: string;
  readonly version: string;
  readonly layers: ReadonlyMap<string, LayerRecord>;
  /** The buildpack's store.toml; absent when there is none. `metadata` is null when the file has no such table. */
  readonly store?: { readonly metadata: FreeValue };
}

/** Image and mirrors of a run image as run.toml and stack.toml name it. */
export interface RunImageNames {
  readonly image: string;
  readonly mirrors: readonly string[];
}

/** The lifecycle metadata label (docs/compatibility.md#labels), and the `[metadata]` table of analyzed.toml. */
export interface LifecycleMetadata {
  readonly app: readonly string[];
  readonly sbom: string | undefined;
  readonly buildpacks: readonly BuildpackRecord[];
  readonly config: string;
  readonly launcher: string;
  readonly processTypes: string;
  readonly runImage: { readonly topLayer: string; readonly reference: string } & RunImageNames;
  readonly stack: RunImageNames;
}

/**
 * The label of a cache image and the metadata file of a volume cache (docs/compatibility.md#cache-metadata). `sbom` is
 * "" if there is none.
 */
export interface CacheMetadata {
  readonly sbom: string;
  readonly buildpacks: readonly BuildpackRecord[];
}
