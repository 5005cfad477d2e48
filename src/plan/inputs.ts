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

/** A layer of the extended run image that an image extension made (docs/compatibility.md#image-extensions). */
export interface ExtensionLayer {
  /** Its number among all layers of that image, from 0. */
  readonly index: number;
  /** From its history entry; kept as it is. */
  readonly createdBy: string;
  /** Of its blob's file. */
  readonly path: ByteString;
  readonly digest: Digest;
  /** Bytes of its blob. */
  readonly size: number;
}

/** What the plans follow from. */
export interface PlanInputs {
  readonly settings: Pick<ExportSettings, "platformApi" | "appDir" | "layersDir" | "launcherPath" | "uid" | "gid">;
  /** `[metadata]` of analyzed.toml. */
  readonly previous: LifecycleMetadata;
  /** Layers that image extensions provide, from the bottom. */
  readonly extensions: readonly ExtensionLayer[];
  /** All diffIDs of the previous image, from the bottom; none where there is nothing to compare with them. */
  readonly previousDiffIds: readonly string[];
  /** Of the group, in its order. */
  readonly buildpacks: readonly BuildpackLayers[];
  readonly build: Pick<BuildMetadata, "slices" | "processes">;
  /** `<layers>/sbom/launch` exists; a fault where that cannot be told. */
  readonly hasLaunchSbom: boolean | Fault;
  /** The same for `<layers>/sbom/cache`. */
  readonly hasCacheSbom: boolean | Fault;
  /** What the destination takes of each of the app image's layers: a daemon takes tars as they are, a launch cache files. */
  readonly appUses: readonly LayerUse[];
  /** The cache that will take layers too. */
  readonly cache: PlannedCache | undefined;
}

/** A cache that layers are planned for. */
export type PlannedCache =
  | { readonly kind: "image" }
  | {
      readonly kind: "volume";
      /** Where the tars of its layers are made. */
      readonly directory: string;
      /** Its metadata, which, unlike a cache image's, is known when the app image is planned. */
      readonly old: CacheMetadata;
    };
