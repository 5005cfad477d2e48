import type { PlatformApi } from "../cnb/api.ts";
import type { BuildMetadata, GroupElement } from "../cnb/build-metadata.ts";
import type { BuildpackRecord, CacheMetadata, FreeValue, LifecycleMetadata } from "../cnb/lifecycle-metadata.ts";
import type { Fault } from "../errors/fault.ts";
import type { ByteString } from "../go/byte-string.ts";
import type { SettingsOf } from "../inputs/flags.ts";
import type { Digest } from "../oci/digest.ts";
import type { LayerUse } from "./layers.ts";

/**
 * Flags, environment and defaults, resolved and checked. docs/compatibility.md#input-resolution defines which paths are
 * absolute. Each flag is an entry in the table of inputs/flags.ts, which sets the name and type of its setting.
 */
export interface ExportSettings extends SettingsOf<"export"> {
  readonly platformApi: PlatformApi;
  readonly execEnv: string;
  readonly experimentalMode: string;
  /**
   * CNB_BUILD_IMAGE: validated, and its registry's credentials resolved like the previous image's
   * (docs/compatibility.md#input-resolution, docs/compatibility.md#credentials).
   */
  readonly buildImage: string;
  readonly outputImage: string;
  readonly additionalTags: readonly string[];
  /**
   * SOURCE_DATE_EPOCH in seconds for API >= 0.9, else undefined (docs/compatibility.md#created-time). If it is not a
   * number, the warning comes when the app image is set up.
   */
  readonly sourceDateEpoch: bigint | undefined;
  readonly isSourceDateEpochInvalid: boolean;
  readonly tuning: Tuning;
}

export function destinationKind({ daemon, layout }: Pick<ExportSettings, "daemon" | "layout">) {
  return layout ? "layout" : daemon ? "daemon" : "registry";
}

/** A cache image takes precedence over a cache directory (docs/compatibility.md#cache-selection). */
export function cacheKind({ cacheImage, cacheDir }: Pick<ExportSettings, "cacheImage" | "cacheDir">) {
  return cacheImage !== "" ? "image" : cacheDir !== "" ? "directory" : "none";
}

export interface Tuning extends SettingsOf<"tuning"> {
  readonly fittingWorkers: number;
}

export interface Analyzed {
  readonly previousImage: string;
  readonly runImage: { readonly reference: string; readonly image: string; readonly extend: boolean } | undefined;
  readonly metadata: LifecycleMetadata;
}

export interface ResolvedInputs {
  readonly settings: ExportSettings;
  readonly analyzed: Analyzed;
  /** Absent: that of group.toml. */
  readonly group?: readonly GroupElement[];
}

export interface BuildpackLayer {
  readonly name: string;
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

export interface BuildpackLayers {
  readonly buildpack: GroupElement;
  readonly path: string;
  readonly entries: readonly string[];
  readonly layers: readonly BuildpackLayer[];
  readonly store: BuildpackRecord["store"];
  /** Set if the directory or its store.toml could not be read; then there are no layers. */
  readonly unreadable: Fault | undefined;
}

export interface ExtensionLayer {
  readonly index: number;
  readonly createdBy: string;
  readonly path: ByteString;
  readonly digest: Digest;
}

export interface PlanInputs {
  readonly settings: Pick<ExportSettings, "platformApi" | "appDir" | "layersDir" | "launcherPath" | "uid" | "gid">;
  readonly previous: LifecycleMetadata;
  readonly extensions: readonly ExtensionLayer[];
  /** All diffIDs of the previous image, from the bottom; empty unless extension layers are compared with them. */
  readonly previousDiffIds: readonly string[];
  readonly buildpacks: readonly BuildpackLayers[];
  readonly build: Pick<BuildMetadata, "slices" | "processes">;
  /** Whether `<layers>/sbom/launch` exists; a fault if that cannot be determined. */
  readonly hasLaunchSbom: boolean | Fault;
  readonly hasCacheSbom: boolean | Fault;
  readonly appUses: readonly LayerUse[];
  readonly cache: PlannedCache | undefined;
}

export type PlannedCache =
  | { readonly kind: "image" }
  | {
      readonly kind: "directory";
      readonly directory: string;
      readonly old: CacheMetadata;
    };
