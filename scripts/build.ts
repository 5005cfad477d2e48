import { globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { compiledName } from "../src/executable/modules.ts";
import { runtimeList } from "../src/process/environment.ts";
import { buildParts } from "./build-parts.ts";
import { buildTypes } from "./build-types.ts";
import { bundle, COMPILE_FLAGS, THREAD_ENTRIES } from "./bundle.ts";
import { runTool } from "./run-tool.ts";
import { writeSbom } from "./sbom.ts";
import { ROOT, runScript } from "./script.ts";

const USAGE = `npm run build

Makes dist: the bundles, the compiled code, the type declarations and the SBOM. Takes no arguments.`;

const dist = join(ROOT, "dist");

/** @returns paths of all sources in the bundles */
export async function build(): Promise<readonly string[]> {
  const entries = { cli: join(ROOT, "src/cli/main.ts"), library: join(ROOT, "src/index.ts"), ...THREAD_ENTRIES };
  // V8 recognizes the source of compiled code by its length only, and chunks of another version would be packed, too.
  for (const name of globSync(["chunk-*", compiledName("*")], { cwd: dist })) rmSync(join(dist, name));
  const files = await bundle(entries, dist);
  await bundle({ start: join(ROOT, "src/executable/built.ts") }, dist, true);
  writeFileSync(join(dist, "index.cjs"), libraryEntry());
  await buildParts();
  // The bundles are CommonJS in a package of ES modules.
  writeFileSync(join(dist, "package.json"), '{ "type": "commonjs" }\n');
  compileModules();
  warmUp();
  return files;
}

const packageSchema = z.object({ engines: z.object({ node: z.string().regex(/^>=\d+$/) }) });

/** Says which Node.js the library needs: an older one cannot parse the bundle. */
function libraryEntry(): string {
  const document: unknown = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const least = Number(packageSchema.parse(document).engines.node.slice(2));
  return `"use strict";
if (parseInt(process.versions.node, 10) < ${least})
  throw new Error("tandem needs Node.js ${least} or newer, and this is " + process.version);
module.exports = require("./library.cjs");
`;
}

function compileModules(): void {
  const flags = runtimeList(readFileSync(join(ROOT, "bin/runtime.sh"), "utf8"), "node_flags");
  runTool(process.execPath, [...flags, ...COMPILE_FLAGS, join(ROOT, "scripts/compile-modules.ts"), dist]);
}

/** Starts the command once, so that Node.js saves the compiled code of its first file. */
function warmUp(): void {
  rmSync(join(dist, "compiled"), { recursive: true, force: true });
  const env = { PATH: process.env.PATH, CNB_PLATFORM_API: "0.13" };
  runTool(join(ROOT, "bin/exporter"), ["-version"], { env });
}

async function main(args: readonly string[]): Promise<void> {
  parseArgs({ args, options: {} });
  const files = await build();
  buildTypes("index.ts", join(dist, "types"));
  writeSbom(files, join(dist, "sbom.cdx.json"));
}

if (import.meta.main) await runScript(USAGE, main);
