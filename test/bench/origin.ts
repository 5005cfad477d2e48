import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Origin } from "./origin-schema.ts";

/** What the figures of our exporter depend on. */
const ENGINE = ["src", "workers", "bin", "scripts/build.ts", "package-lock.json"];

/** Today and the last commit of the engine, with `+` when it was changed since. */
export function measuredNow(): Origin {
  const git = (...args: readonly string[]): string =>
    spawnSync("git", ["-C", join(import.meta.dirname, "..", ".."), ...args, "--", ...ENGINE], {
      encoding: "utf8",
    }).stdout.trim();
  const isChanged = git("status", "--porcelain") !== "";
  const commit = git("log", "-1", "--format=%h") || "unknown";
  return { date: new Date().toISOString().slice(0, 10), commit: `${commit}${isChanged ? "+" : ""}` };
}
