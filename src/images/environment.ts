import { formatApiVersion } from "../cnb/api-version.ts";
import type { PlatformApi } from "../cnb/platform-api.ts";
import type { Logger } from "../flow/logger.ts";

/** What the app image's environment follows from; both directories are absolute. */
export interface EnvironmentInputs {
  readonly layersDir: string;
  readonly appDir: string;
  readonly platformApi: PlatformApi;
}

/**
 * The environment of the app image: the run image's with the CNB variables set and `PATH` prefixed
 * (docs/compatibility.md#environment-and-entrypoint).
 * @param env entries `NAME=value` of the run image
 * @param os of the image; names are case-insensitive on windows only
 */
export function appEnvironment(
  env: readonly string[],
  os: string,
  { layersDir, appDir, platformApi }: EnvironmentInputs,
  logger: Logger,
): string[] {
  const variables: [name: string, value: string][] = [
    ["CNB_LAYERS_DIR", layersDir],
    ["CNB_APP_DIR", appDir],
    ["CNB_PLATFORM_API", formatApiVersion(platformApi)],
    ["CNB_DEPRECATION_MODE", "quiet"],
  ];
  let result = [...env];
  for (const [name, value] of variables) {
    logger.debug(`Setting ${name}=${value}`);
    result = withVariable(result, name, value, os);
  }
  const path = `/cnb/process:/cnb/lifecycle:${variableValue(result, "PATH")}`;
  logger.debug("Prepending /cnb/process and /cnb/lifecycle to PATH");
  return withVariable(result, "PATH", path, os);
}

/**
 * The first entry's value, "" if there is none. Unlike the reference it finds values that contain `=`
 * (docs/compatibility.md#path-with-equals-sign).
 */
function variableValue(env: readonly string[], name: string): string {
  return env.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
}

/** Replaces the first entry of that name in place, or appends one. */
function withVariable(env: readonly string[], name: string, value: string, os: string): string[] {
  const fold = (text: string): string => (os === "windows" ? text.toUpperCase() : text);
  const index = env.findIndex((entry) => fold(entry.split("=", 1)[0] ?? "") === fold(name));
  const entry = `${name}=${value}`;
  return index < 0 ? [...env, entry] : env.with(index, entry);
}
