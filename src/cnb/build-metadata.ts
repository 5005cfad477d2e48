import type { FreeValue } from "./metadata.ts";

/** One element of group.toml or of metadata.toml's `buildpacks` and `extensions`. */
export interface GroupElement {
  readonly id: string;
  readonly version: string;
  readonly api: string;
  readonly homepage: string;
  readonly optional: boolean;
  readonly extension: boolean;
}

/** A process of metadata.toml, after applying the rule for API < 0.10 (docs/compatibility.md#build-metadata). */
export interface Process {
  readonly type: string;
  /** null when absent: the label prints that as null, an empty array as []. */
  readonly command: readonly string[] | null;
  /** null when absent, which JSON keeps. */
  readonly args: readonly string[] | null;
  readonly direct: boolean;
  readonly default: boolean;
  readonly buildpackId: string;
  readonly workingDir: string;
  readonly execEnv: readonly string[];
}

/** An entry of the legacy bill of materials. */
export interface BomEntry {
  readonly name: string;
  readonly version: string;
  readonly metadata: FreeValue;
  readonly buildpack: { readonly id: string; readonly version: string; readonly optional: boolean };
}

/**
 * metadata.toml (docs/compatibility.md#build-metadata). null means that the key is absent, which the label
 * distinguishes from an empty array.
 */
export interface BuildMetadata {
  readonly bom: readonly BomEntry[] | null;
  readonly buildpacks: readonly GroupElement[] | null;
  readonly extensions: readonly GroupElement[] | null;
  readonly labels: readonly { readonly key: string; readonly value: string }[];
  readonly processes: readonly Process[] | null;
  readonly slices: readonly { readonly paths: readonly string[] }[];
  readonly defaultProcessType: string;
}

/** The launcher's build values as the build metadata label shows them. */
export interface LauncherRelease {
  readonly version: string;
  readonly repository: string;
  readonly commit: string;
}
