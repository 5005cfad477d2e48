import { existsSync } from "node:fs";
import { join } from "node:path";

/** Not in every user's PATH. */
const SYSTEM_DIRECTORIES = ["/usr/sbin", "/sbin"];

/**
 * @param variable environment variable that may contain the program's path
 * @returns undefined if it is not installed
 */
export function findProgram(name: string, variable?: string): string | undefined {
  const named = variable === undefined ? undefined : process.env[variable];
  if (named) return existsSync(named) ? named : undefined;
  const directories = [...(process.env.PATH ?? "").split(":"), ...SYSTEM_DIRECTORIES];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}
