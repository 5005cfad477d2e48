import { spawnSync } from "node:child_process";

/**
 * Where a program is.
 * @param variable of the environment that may name it; else the PATH is searched
 * @returns undefined when it is not on this machine
 */
export function findProgram(program: string, variable?: string): string | undefined {
  const named = variable === undefined ? undefined : process.env[variable];
  if (named) return named;
  const { status, stdout } = spawnSync("/bin/sh", ["-c", `command -v ${program}`], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}
