import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildParts } from "./build-parts.ts";
import { buildTypes } from "./build-types.ts";
import { bundle, THREAD_ENTRIES } from "./bundle.ts";
import { writeSbom } from "./sbom.ts";

const root = dirname(import.meta.dirname);
const dist = join(root, "dist");

/**
 * Bundles the command and the thread entries into dist/, and compiles the DEFLATE encoder there.
 * @returns paths of all files that are in the bundles
 */
export async function build(): Promise<readonly string[]> {
  const entries = { cli: join(root, "src/cli/main.ts"), index: join(root, "src/index.ts"), ...THREAD_ENTRIES };
  const files = await bundle(entries, dist);
  await buildParts();
  // The bundles are CommonJS in a package of ES modules.
  writeFileSync(join(dist, "package.json"), '{ "type": "commonjs" }\n');
  warmUp();
  return files;
}

/** Starts the command once, so that it leaves its compiled code behind: half of the time that starting takes. */
function warmUp(): void {
  rmSync(join(dist, "compiled"), { recursive: true, force: true });
  const { status, stderr } = spawnSync(join(root, "bin/exporter"), ["-version"], {
    env: { PATH: process.env.PATH, CNB_PLATFORM_API: "0.13" },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the built command does not start:\n${stderr}`);
}

if (import.meta.main) {
  const files = await build();
  buildTypes("index.ts", join(dist, "types"));
  writeSbom(files, join(dist, "sbom.cdx.json"));
}
