import type { SettingsOf } from "../cli/flags.ts";
import type { PlatformApi } from "../cnb/api.ts";
import type { BuildMetadata, GroupElement } from "../cnb/build-metadata.ts";
import type { BuildpackRecord, CacheMetadata, FreeValue, LifecycleMetadata } from "../cnb/lifecycle-metadata.ts";
import type { Fault } from "../errors/fault.ts";
import type { ByteString } from "../go/byte-string.ts";
import type { Digest } from "../oci/digest.ts";
import type { LayerUse } from "./layers.ts";

/**
 * Flags, environment and defaults, resolved and checked. docs/compatibility.md#input-resolution says which paths are
 * absolute. Each flag is an entry in the table of cli/flags.ts, which gives the setting its name and type.
 */
export interface ExportSettings extends SettingsOf<"export"> {
  readonly platformApi: PlatformApi;
  readonly execEnv: string;
  readonly experimentalMode: string;
  /**
   * CNB_BUILD_IMAGE: validated, and its registry's credentials resolved (docs/compatibility.md#input-resolution,
   * docs/compatibility.md#credentials), as those of the previous image.
   */
  readonly buildImage: string;
  readonly outputImage: string;
  readonly additionalTags: readonly string[];
  /** SOURCE_DATE_EPOCH in seconds for API >= 0.9, else undefined (docs/compatibility.md#created-time). */
  readonly sourceDateEpoch: bigint | undefined;
  /** SOURCE_DATE_EPOCH is set and honoured at this API, but is no number; the warning comes when the app image is set up. */
  readonly isSourceDateEpochInvalid: boolean;
  readonly tuning: Tuning;
}

/** Settings that the lifecycle does not have; README.md lists their flags. */
export interface Tuning extends SettingsOf<"tuning"> {
  /** The most workers that memory allows. */
  readonly fittingWorkers: number;
}

/** analyzed.toml (docs/compatibility.md#analyzed-metadata). */
export interface Analyzed {
  /** `image.reference`: the previous image, "" if none. */
  readonly previousImage: string;
  /** The `[run-image]` table; undefined when the file or the table is missing. */
  readonly runImage: { readonly reference: string; readonly image: string; readonly extend: boolean } | undefined;
  readonly metadata: LifecycleMetadata;
}

/** An export's settings and the analysis that they name. analyzed.toml is read once, when the settings are resolved. */
export interface ResolvedInputs {
  readonly settings: ExportSettings;
  readonly analyzed: Analyzed;
}

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

export interface ExtensionLayer {
  /** Its number among all layers of that image, from 0. */
  readonly index: number;
  readonly createdBy: string;
  readonly path: ByteString;
  readonly digest: Digest;
}

/** The inputs of both plans. */
export interface PlanInputs {
  readonly settings: Pick<ExportSettings, "platformApi" | "appDir" | "layersDir" | "launcherPath" | "uid" | "gid">;
  /** `[metadata]` of analyzed.toml. */
  readonly previous: LifecycleMetadata;
  readonly extensions: readonly ExtensionLayer[];
  /** All diffIDs of the previous image, from the bottom; empty unless extension layers are compared with them. */
  readonly previousDiffIds: readonly string[];
  /** Of the group, in its order. */
  readonly buildpacks: readonly BuildpackLayers[];
  readonly build: Pick<BuildMetadata, "slices" | "processes">;
  /** Whether `<layers>/sbom/launch` exists; a fault if that cannot be determined. */
  readonly hasLaunchSbom: boolean | Fault;
  readonly hasCacheSbom: boolean | Fault;
  /** A daemon takes tars as they are, a launch cache takes files. */
  readonly appUses: readonly LayerUse[];
  readonly cache: PlannedCache | undefined;
}

export type PlannedCache =
  | { readonly kind: "image" }
  | {
      readonly kind: "volume";
      readonly directory: string;
      /** Unlike a cache image's, known when the app image is planned. */
      readonly old: CacheMetadata;
    };
