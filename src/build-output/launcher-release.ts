import { execFile } from "node:child_process";
import { realpathSync } from "node:fs";
import { join, posix } from "node:path";
import { promisify } from "node:util";
import type { LauncherRelease } from "../cnb/build-metadata.ts";
import { absolutePath, type Environment } from "../process/environment.ts";

export const LIFECYCLE_DIR_ENV = "CNB_LIFECYCLE_DIR";

export function lifecycleDirectory(program: string, env: Environment, cwd: string): string;
export function lifecycleDirectory(program: string | undefined, env: Environment, cwd: string): string | undefined;
export function lifecycleDirectory(program: string | undefined, env: Environment, cwd: string): string | undefined {
  const directory = env[LIFECYCLE_DIR_ENV] || (program === undefined ? undefined : posix.dirname(program));
  return directory === undefined ? undefined : absolutePath(cwd, directory);
}

const UNKNOWN: LauncherRelease = { version: "0.0.0", repository: "", commit: "" };

const REPOSITORY = "github.com/buildpacks/lifecycle";

const TIMEOUT_MS = 5000;
const MAX_OUTPUT_BYTES = 4096;

const PRINTED = /^(?<version>[\w.~-]+)(?:\+(?<commit>[\w.-]+))?\n?$/;

const BETWEEN_RELEASES = /-\d+$/;

/**
 * The lifecycle release that the build metadata label names as the launcher's (docs/compatibility.md#launcher-release):
 * that of the program `lifecycle` beside this one or in CNB_LIFECYCLE_DIR. The reference's exporter has these values
 * compiled in; a builder image has them nowhere else.
 * @param program path by which this one was started; undefined for an export through the library
 * @returns an unknown release if there is no such program; never rejects
 */
export async function readLauncherRelease(
  program: string | undefined,
  env: Environment,
  cwd: string,
  signal: AbortSignal,
): Promise<LauncherRelease> {
  const printed = await readLifecycleVersion(program, env, cwd, signal);
  return printed === undefined ? UNKNOWN : parseRelease(printed);
}

export async function readLifecycleVersion(
  program: string | undefined,
  env: Environment,
  cwd: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const directory = lifecycleDirectory(program, env, cwd);
    if (directory === undefined) return undefined;
    const lifecycle = join(directory, "lifecycle");
    // A link to this program cannot tell the lifecycle's version.
    if (program !== undefined && realpathSync(lifecycle) === realpathSync(program)) return undefined;
    const options = { env: {}, timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES, signal };
    const { stdout } = await promisify(execFile)(lifecycle, ["-version"], options);
    return PRINTED.test(stdout) ? stdout.trimEnd() : undefined;
  } catch {
    return undefined;
  }
}

function parseRelease(text: string): LauncherRelease {
  const { version, commit = "" } = PRINTED.exec(text)?.groups ?? {};
  if (version === undefined) return UNKNOWN;
  if (commit === "") return { ...UNKNOWN, version };
  const isWhole = BETWEEN_RELEASES.test(version);
  return { version: isWhole ? `${version}+${commit}` : version, repository: REPOSITORY, commit };
}
