import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildParts } from "./build-parts.ts";
import { buildTypes } from "./build-types.ts";
import { bundle, THREAD_ENTRIES } from "./bundle.ts";
import { writeSbom } from "./sbom.ts";

const root = dirname(import.meta.dirname);
const dist = join(root, "dist");

/** @returns paths of all sources in the bundles */
export async function build(): Promise<readonly string[]> {
  const entries = { cli: join(root, "src/cli/main.ts"), index: join(root, "src/index.ts"), ...THREAD_ENTRIES };
  const files = await bundle(entries, dist);
  await buildParts();
  // The bundles are CommonJS in a package of ES modules.
  writeFileSync(join(dist, "package.json"), '{ "type": "commonjs" }\n');
  warmUp();
  return files;
}

/** Starts the command once, so that it saves its compiled code, which halves the start time. */
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
