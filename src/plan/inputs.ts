import type { PlatformApi } from "../cnb/api.ts";
import type { GroupElement } from "../cnb/build-metadata.ts";
import type { BuildpackRecord, FreeValue, LifecycleMetadata } from "../cnb/lifecycle-metadata.ts";
import type { Fault } from "../errors/fault.ts";

/**
 * Flags, environment and defaults, resolved and checked. docs/compatibility.md#input-resolution says which paths are
 * absolute.
 */
export interface ExportSettings {
  readonly platformApi: PlatformApi;
  readonly analyzedPath: string;
  readonly appDir: string;
  readonly cacheDir: string;
  readonly cacheImage: string;
  readonly daemon: boolean;
  readonly execEnv: string;
  readonly experimentalMode: string;
  readonly extendedDir: string;
  readonly gid: number;
  readonly groupPath: string;
  readonly insecureRegistries: readonly string[];
  readonly launchCacheDir: string;
  readonly launcherPath: string;
  readonly launcherSbomDir: string;
  readonly layersDir: string;
  readonly layout: boolean;
  readonly layoutDir: string;
  readonly logLevel: LogLevel;
  readonly noColor: boolean;
  readonly parallel: boolean;
  /**
   * CNB_PREVIOUS_IMAGE and CNB_BUILD_IMAGE: validated, and their registries' credentials resolved
   * (docs/compatibility.md#input-resolution, docs/compatibility.md#credentials).
   */
  readonly previousImage: string;
  readonly buildImage: string;
  readonly processType: string;
  readonly projectMetadataPath: string;
  readonly reportPath: string;
  readonly runPath: string;
  readonly runImage: string;
  readonly stackPath: string;
  readonly uid: number;
  readonly outputImage: string;
  readonly additionalTags: readonly string[];
  /** SOURCE_DATE_EPOCH in seconds for API >= 0.9, else undefined (docs/compatibility.md#created-time). */
  readonly sourceDateEpoch: bigint | undefined;
  /** SOURCE_DATE_EPOCH is set and honoured at this API, but is no number; the warning comes when the app image is set up. */
  readonly isSourceDateEpochInvalid: boolean;
  readonly tuning: Tuning;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "fatal";

/** Settings that the lifecycle does not have; README.md lists their flags. */
export interface Tuning {
  /** Compressing threads, at least 1. */
  readonly workers: number;
  /** The most workers that memory allows. */
  readonly fittingWorkers: number;
  /** Requests with a body in flight per registry, at least 1. */
  readonly uploadConcurrency: number;
  /** How long a request to a registry is tried again after the first of failures in a row, in ms; 0: once only. */
  readonly retryBudgetMs: number;
  readonly compression: "gzip" | "zstd";
  /** 1 to 9 for gzip. */
  readonly compressionLevel: number;
  /** Where compressed blobs wait; absolute. */
  readonly spoolDir: string;
  /** Where events go: an absolute path, the number of an open descriptor, or "". */
  readonly events: string | number;
  readonly progress: "auto" | "tty" | "plain" | "none";
  /** Where a timeline is written, absolute, ending in `.html` or `.json`; "" for nowhere. */
  readonly timeline: string;
  readonly logFormat: "text" | "json";
}

/** analyzed.toml (docs/compatibility.md#analyzed-metadata). */
export interface Analyzed {
  /** `image.reference`: the previous image, "" if none. */
  readonly previousImage: string;
  /** The `[run-image]` table; undefined when the file or the table is missing. */
  readonly runImage: { readonly reference: string; readonly image: string; readonly extend: boolean } | undefined;
  readonly metadata: LifecycleMetadata;
}

/** One layer in a buildpack's directory (docs/compatibility.md#buildpack-layers). */
export interface BuildpackLayer {
  readonly name: string;
  /** `<bpID>:<name>` */
  readonly id: string;
  readonly path: string;
  readonly hasContents: boolean;
  readonly build: boolean;
  readonly launch: boolean;
  readonly cache: boolean;
  readonly data: FreeValue;
  /** Why the layer's TOML could not be used; such a layer fails the app export and is silently not cached. */
  readonly malformed: string | undefined;
}

/** What the exporter reads of one buildpack of the group, in group order. */
export interface BuildpackLayers {
  readonly buildpack: GroupElement;
  readonly path: string;
  /** Names of the directory's entries in byte order, for the reference's debug lines. */
  readonly entries: readonly string[];
  readonly layers: readonly BuildpackLayer[];
  readonly store: BuildpackRecord["store"];
  /** Why the directory or its store.toml could not be read; then there are no layers. */
  readonly unreadable: Fault | undefined;
}
