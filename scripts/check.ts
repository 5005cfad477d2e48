import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** Everything that `npm test` checks, in the order in which a mistake is found soonest. Arguments go to vitest. */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const steps: readonly (readonly string[])[] = [
  ["node_modules/.bin/biome", "check", "--error-on-warnings", "."],
  [process.execPath, "node_modules/typescript/bin/tsc", "--noEmit"],
  [process.execPath, "node_modules/typescript/bin/tsc", "--noEmit", "--project", "timeline-page"],
  [process.execPath, "node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)],
];
for (const [command = "", ...args] of steps) {
  const started = performance.now();
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (error !== undefined) throw error;
  const name = [command, ...args].map((part) => part.replace(`${root}/`, "")).join(" ");
  console.log(`${status === 0 ? "ok" : "FAILED"}  ${name}  ${((performance.now() - started) / 1000).toFixed(1)} s`);
  if (status !== 0) process.exit(status ?? 1);
}
