/** A version of the Platform or Buildpack API, compared number by number, so that 0.9 comes before 0.10. */
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
export function parseApiVersion(text: string): ApiVersion | undefined {
  const match = SYNTAX.exec(text);
  if (match === null) return undefined;
  const major = BigInt(match[1] ?? "");
  const minor = BigInt(match[2] ?? "");
  if (major > MAX_UINT64 || minor > MAX_UINT64) return undefined;
  return { major: Number(major), minor: Number(minor) };
}

/** The normalised form, `major.minor`. */
export function formatApiVersion(api: ApiVersion): string {
  return `${api.major}.${api.minor}`;
}

/** True when `api` is `other` or newer. */
export function atLeast(api: ApiVersion, other: ApiVersion): boolean {
  return api.major === other.major ? api.minor >= other.minor : api.major > other.major;
}

/**
 * True when one of the supported versions covers `api` (api/apis.go): below major 1 the versions must be equal, from
 * major 1 on a newer minor covers the older ones.
 * @param supported normalised versions
 */
export function isSupportedApi(supported: readonly string[], api: ApiVersion): boolean {
  return supported.some((text) => {
    const candidate = parseApiVersion(text);
    if (candidate === undefined || candidate.major !== api.major) return false;
    return candidate.major === 0 ? candidate.minor === api.minor : candidate.minor >= api.minor;
  });
}
