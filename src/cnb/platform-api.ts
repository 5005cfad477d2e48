import { Fault } from "../faults/fault.ts";
import { type ApiVersion, atLeast, isSupportedApi, parseApiVersion } from "./api-version.ts";
import { EXIT_CODES } from "./exit-codes.ts";

/** A Platform API version, compared numerically. The parsing, the supported list and the gates are in this file. */
export type PlatformApi = ApiVersion;

/** Supported Platform APIs; none is deprecated (docs/compatibility.md#api-versions). */
export const SUPPORTED_PLATFORM_APIS = ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.14", "0.15"] as const;

/** The environment variable that chooses the Platform API; there is no flag for it. */
export const PLATFORM_API_ENV = "CNB_PLATFORM_API";

/**
 * Parses and checks the value of CNB_PLATFORM_API (docs/compatibility.md#api-versions).
 * @throws Fault with exit code 11 and the reference's text if it is missing, malformed or unsupported
 */
export function parsePlatformApi(raw: string | undefined): PlatformApi {
  if (raw === undefined || raw.trim() === "")
    throw apiFault(
      "MISSING",
      `failed to get platform API version; please set '${PLATFORM_API_ENV}' to specify the desired platform API version`,
    );
  const api = parseApiVersion(raw);
  if (api === undefined) throw apiFault("SYNTAX", `failed to parse platform API '${raw}'`);
  if (!isSupportedApi(SUPPORTED_PLATFORM_APIS, api))
    throw apiFault(
      "UNSUPPORTED",
      `failed to set platform API: platform API version '${raw}' is incompatible with the lifecycle`,
    );
  return api;
}

function apiFault(what: "MISSING" | "SYNTAX" | "UNSUPPORTED", message: string): Fault {
  return new Fault(`EXPORT_API_PLATFORM_${what}`, message, {
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
  honoursSourceDateEpoch: 9,
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

/** Name of a behaviour that depends on the Platform API. */
export type PlatformGate = keyof typeof SINCE_MINOR;

/** For every behaviour whether it holds. */
export type PlatformGates = { readonly [Gate in PlatformGate]: boolean };

/** What holds at this Platform API, e.g. `gates(api).hasExtensions`. */
export function gates(api: PlatformApi): PlatformGates {
  const holds = (gate: PlatformGate): boolean => atLeast(api, { major: 0, minor: SINCE_MINOR[gate] });
  return {
    hasSbomLayers: holds("hasSbomLayers"),
    honoursSourceDateEpoch: holds("honoursSourceDateEpoch"),
    omitsBom: holds("omitsBom"),
    hasCommandArray: holds("hasCommandArray"),
    copiesSboms: holds("copiesSboms"),
    hasLauncherSbomFlag: holds("hasLauncherSbomFlag"),
    readsRunToml: holds("readsRunToml"),
    hasRunImageNames: holds("hasRunImageNames"),
    keepsHistory: holds("keepsHistory"),
    hasExtensions: holds("hasExtensions"),
    hasLayoutFlags: holds("hasLayoutFlags"),
    hasInsecureRegistryFlag: holds("hasInsecureRegistryFlag"),
    keepsOldCacheImage: holds("keepsOldCacheImage"),
    allowsDockerfiles: holds("allowsDockerfiles"),
    hasExecEnvLabel: holds("hasExecEnvLabel"),
    alwaysRestores: holds("alwaysRestores"),
    detectorReadsAnalyzed: holds("detectorReadsAnalyzed"),
    hasBuildConfigFlag: holds("hasBuildConfigFlag"),
    builderReadsAnalyzed: holds("builderReadsAnalyzed"),
    restorerHasImageFlags: holds("restorerHasImageFlags"),
    restorerReadsRunToml: holds("restorerReadsRunToml"),
    hasSystemFlag: holds("hasSystemFlag"),
  };
}
