import { existsSync } from "node:fs";
import { join } from "node:path";

/** Where root's programs are; a user's PATH need not have them. */
const SYSTEM_DIRECTORIES = ["/usr/sbin", "/sbin"];

/**
 * Where a program is; undefined when it is not installed.
 * @param variable of the environment that may name another path for it
 */
export function findProgram(name: string, variable?: string): string | undefined {
  const named = variable === undefined ? undefined : process.env[variable];
  if (named) return existsSync(named) ? named : undefined;
  const directories = [...(process.env.PATH ?? "").split(":"), ...SYSTEM_DIRECTORIES];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}
