import { Fault } from "../errors/fault.ts";
import { hintLine } from "../errors/printable.ts";
import { EXIT_CODES } from "./exit-codes.ts";

export interface ApiVersion {
  readonly major: number;
  readonly minor: number;
}

const SYNTAX = /^v?(\d+)\.?(\d*)$/;
const MAX_UINT64 = 2n ** 64n - 1n;

/**
 * Parses an API version as the lifecycle does (api/version.go): an optional `v`, digits, an optional dot and optional
 * digits; a missing minor is 0. Undefined for anything else, and for numbers over 64 bits.
 */
function parseApiVersion(text: string): ApiVersion | undefined {
  const match = SYNTAX.exec(text);
  if (match === null) return undefined;
  const major = BigInt(match[1] ?? "");
  const minor = BigInt(match[2] ?? "");
  if (major > MAX_UINT64 || minor > MAX_UINT64) return undefined;
  return { major: Number(major), minor: Number(minor) };
}

export function formatApiVersion(api: ApiVersion): string {
  return `${api.major}.${api.minor}`;
}

function atLeast(api: ApiVersion, other: ApiVersion): boolean {
  return api.major === other.major ? api.minor >= other.minor : api.major > other.major;
}

/**
 * True if a supported version covers `api` (api/apis.go): below major 1 the versions must be equal, from major 1 on a
 * newer minor covers the older ones.
 * @param supported normalized versions
 */
function isSupportedApi(supported: readonly string[], api: ApiVersion): boolean {
  return supported.some((text) => {
    const candidate = parseApiVersion(text);
    if (candidate === undefined || candidate.major !== api.major) return false;
    return candidate.major === 0 ? candidate.minor === api.minor : candidate.minor >= api.minor;
  });
}

export type PlatformApi = ApiVersion;

export const SUPPORTED_PLATFORM_APIS = ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.14", "0.15"] as const;

export const PLATFORM_API_ENV = "CNB_PLATFORM_API";

export function parsePlatformApi(raw: string | undefined): PlatformApi {
  if (raw === undefined || raw.trim() === "")
    throw platformApiFault(
      `failed to get platform API version; please set '${PLATFORM_API_ENV}' to specify the desired platform API version`,
    );
  const api = parseApiVersion(raw);
  if (api === undefined) throw platformApiFault(`failed to parse platform API '${raw}'`);
  if (!isSupportedApi(SUPPORTED_PLATFORM_APIS, api))
    throw platformApiFault(
      `failed to set platform API: platform API version '${raw}' is incompatible with the lifecycle`,
    );
  return api;
}

function platformApiFault(message: string): Fault {
  return new Fault("EXPORT_API_PLATFORM", message, {
    exitCode: EXIT_CODES.platformApi,
    hint: `Set ${PLATFORM_API_ENV} to one of ${SUPPORTED_PLATFORM_APIS.join(", ")}.`,
  });
}

/**
 * The first minor version of API 0 that has each behavior (docs/compatibility.md#platform-api-gates). No other code
 * compares API versions.
 */
const SINCE_MINOR = {
  hasSbomLayers: 8,
  honorsSourceDateEpoch: 9,
  omitsBom: 9,
  hasCommandArray: 10,
  copiesSboms: 11,
  hasLauncherSbomFlag: 11,
  readsRunToml: 12,
  hasRunImageNames: 12,
  keepsHistory: 12,
  hasExtensions: 12,
  hasLayoutFlags: 12,
  hasInsecureRegistryFlag: 13,
  keepsOldCacheImage: 13,
  allowsDockerfiles: 13,
  hasExecEnvLabel: 15,
  alwaysRestores: 10,
  detectorReadsAnalyzed: 10,
  hasBuildConfigFlag: 11,
  builderReadsAnalyzed: 12,
  restorerHasImageFlags: 12,
  restorerReadsRunToml: 14,
  hasSystemFlag: 15,
} as const;

export type PlatformGate = keyof typeof SINCE_MINOR;

export type PlatformGates = { readonly [Gate in PlatformGate]: boolean };

export function gates(api: PlatformApi): PlatformGates {
  const entries = Object.entries(SINCE_MINOR).map(([gate, minor]) => [gate, atLeast(api, { major: 0, minor })]);
  return Object.fromEntries(entries);
}

const SUPPORTED_BUILDPACK_APIS = ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12"] as const;

/**
 * Checks the Buildpack API of every element of the group, in order (docs/compatibility.md#api-versions). For an
 * unparsable version it prints the version, and the reference `<nil>` (docs/compatibility.md#unparsable-buildpack-api).
 * @throws Fault with exit code 12 for the first element that fails
 */
export function checkBuildpackApis(
  group: readonly { readonly id: string; readonly version: string; readonly api: string }[],
): void {
  for (const { id, version, api: raw } of group) {
    const name = `${id}@${version}`;
    const api = parseApiVersion(raw);
    if (api === undefined)
      throw buildpackApiFault(`failed to parse buildpack API '${raw}' for buildpack '${name}'`, name);
    if (!isSupportedApi(SUPPORTED_BUILDPACK_APIS, api))
      throw buildpackApiFault(
        `failed to set API for Buildpack '${name}': buildpack API version '${raw}' is incompatible with the lifecycle`,
        name,
      );
  }
}

function buildpackApiFault(message: string, buildpack: string): Fault {
  return new Fault("EXPORT_API_BUILDPACK", message, {
    exitCode: EXIT_CODES.buildpackApi,
    hint: hintLine`Use a version of ${buildpack} whose Buildpack API is one of ${SUPPORTED_BUILDPACK_APIS.join(", ")}.`,
  });
}
