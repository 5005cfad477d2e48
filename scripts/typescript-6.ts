import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { runTool } from "./run-tool.ts";
import { ROOT } from "./script.ts";

/**
 * Tools that need a TypeScript written in JavaScript have their own package, because the project's compiler is native.
 */
export const TYPESCRIPT_6 = join(ROOT, "tools", "typescript-6");

const installed = join(TYPESCRIPT_6, "node_modules", ".package-lock.json");

function mtime(path: string): number {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

/**
 * Installs these tools if they are missing or older than their lock file.
 * @param path of a tool's program below node_modules
 * @returns its absolute path
 */
export function typescript6Tool(...path: readonly string[]): string {
  if (mtime(installed) < mtime(join(TYPESCRIPT_6, "package-lock.json"))) {
    const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    runTool("npm", args, { cwd: TYPESCRIPT_6, remedy: "Install npm, which comes with Node.js" });
  }
  return join(TYPESCRIPT_6, "node_modules", ...path);
}
