import { execFileSync, spawnSync } from "node:child_process";
import { onTestFinished } from "vitest";
import { tempTree } from "./temp-tree.ts";

export const NO_SMALL_DISK = "this process may not mount a small disk";

/**
 * A tmpfs for the test.
 * @param options of mount(8), such as `size=1m`
 * @returns undefined if this process may not mount one
 */
export function smallDisk(options: string, path = tempTree()): string | undefined {
  if (spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]).status !== 0) return undefined;
  onTestFinished(() => void execFileSync("umount", ["--lazy", path]));
  return path;
}
