import type { SettingsOf } from "../cli/flags.ts";
import type { PlatformApi } from "../cnb/api.ts";
import type { GroupElement } from "../cnb/build-metadata.ts";
import type { BuildpackRecord, FreeValue, LifecycleMetadata } from "../cnb/lifecycle-metadata.ts";
import type { Fault } from "../errors/fault.ts";

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
