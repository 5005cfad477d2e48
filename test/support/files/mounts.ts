import { readFileSync } from "node:fs";

/**
 * Mount points (also of network namespaces) below a directory, and bind mounts of its contents elsewhere.
 * @returns a mount after the one that contains it
 */
export function mountsOf(directory: string): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return mounts.filter((line) => line.includes(`${directory}/`)).map((line) => line.split(" ")[4] ?? "");
}
