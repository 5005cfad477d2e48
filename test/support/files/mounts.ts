import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";

/** True if this process may mount in a namespace of its own, which root of a container usually may not. */
export function mayMount(): boolean {
  return spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", tmpdir()]).status === 0;
}

/**
 * Mount points (also of network namespaces) below a directory, and bind mounts of its contents elsewhere.
 * @returns a mount after the one that contains it
 */
export function mountsOf(directory: string): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return mounts.filter((line) => line.includes(`${directory}/`)).map((line) => line.split(" ")[4] ?? "");
}
