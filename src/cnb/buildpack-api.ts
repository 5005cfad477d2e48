import { Fault } from "../faults/fault.ts";
import { isSupportedApi, parseApiVersion } from "./api-version.ts";
import { EXIT_CODES } from "./exit-codes.ts";

/** Buildpack APIs accepted in group.toml; none is deprecated (docs/compatibility.md#api-versions). */
export const SUPPORTED_BUILDPACK_APIS = ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12"] as const;

/**
 * Checks the Buildpack API of every element of the group, in order (docs/compatibility.md#api-versions). For a version
 * that does not parse the reference prints `<nil>`; this prints the version
 * (docs/compatibility.md#unparsable-buildpack-api).
 * @throws Fault with exit code 12 for the first element that fails
 */
export function checkBuildpackApis(
  group: readonly { readonly id: string; readonly version: string; readonly api: string }[],
): void {
  for (const { id, version, api: raw } of group) {
    const name = `${id}@${version}`;
    const api = parseApiVersion(raw);
    if (api === undefined)
      throw apiFault("SYNTAX", `failed to parse buildpack API '${raw}' for buildpack '${name}'`, name);
    if (!isSupportedApi(SUPPORTED_BUILDPACK_APIS, api))
      throw apiFault(
        "UNSUPPORTED",
        `failed to set API for Buildpack '${name}': buildpack API version '${raw}' is incompatible with the lifecycle`,
        name,
      );
  }
}

function apiFault(what: "SYNTAX" | "UNSUPPORTED", message: string, buildpack: string): Fault {
  return new Fault(`EXPORT_API_BUILDPACK_${what}`, message, {
    exitCode: EXIT_CODES.buildpackApi,
    hint: `The api of ${buildpack} in group.toml must be one of ${SUPPORTED_BUILDPACK_APIS.join(", ")}.`,
  });
}
