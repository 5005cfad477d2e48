import { posix } from "node:path";
import { absolutePath } from "./absolute-path.ts";
import type { Environment } from "./environment.ts";

/** The environment variable that names the directory of a lifecycle's programs. */
export const LIFECYCLE_DIR_ENV = "CNB_LIFECYCLE_DIR";

/**
 * Where the programs of the lifecycle are that this one belongs to: in CNB_LIFECYCLE_DIR, else beside the program as it was
 * called, which is where a lifecycle has them.
 * @param program path by which it was started; undefined for an export from a program that is part of no lifecycle
 */
export function lifecycleDirectory(program: string, env: Environment, cwd: string): string;
export function lifecycleDirectory(program: string | undefined, env: Environment, cwd: string): string | undefined;
export function lifecycleDirectory(program: string | undefined, env: Environment, cwd: string): string | undefined {
  const directory = env[LIFECYCLE_DIR_ENV] || (program === undefined ? undefined : posix.dirname(program));
  return directory === undefined ? undefined : absolutePath(cwd, directory);
}
