// Runs a script of this project under the pinned runtime, installing the project's dependencies first when they are
// missing or older than the lock file. Plain JavaScript for the Node that happens to be on the machine (20 or newer).
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const runtime = join(modules, ".bin", "node");
const installed = join(modules, ".package-lock.json");

function mtime(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (result.error) {
    console.error(`ERROR: ${command} does not start: ${result.error.message}`);
    process.exit(1);
  }
  return result.status ?? 1;
}

/** A node_modules that is a link belongs to another checkout, which npm would empty. */
function isLinked() {
  return existsSync(modules) && lstatSync(modules).isSymbolicLink();
}

if (!isLinked() && mtime(installed) < mtime(join(root, "package-lock.json"))) {
  console.error("Installing dependencies (npm ci) ...");
  const status = run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
  if (status !== 0) process.exit(status);
}
const node = existsSync(runtime) ? runtime : process.execPath;
const [script, ...args] = process.argv.slice(2);
process.exit(run(node, [join(root, script), ...args]));
