import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Scene } from "../scenes/scene.ts";
import { type ExporterRun, startProgram } from "./exporter.ts";

/** Directory of the reference's programs; "" if there are none. */
export const REFERENCE = process.env.REFERENCE_LIFECYCLE_DIR ?? "";

/** @param what is skipped without it, in the plural */
export function warnWithoutReference(what: string): void {
  if (REFERENCE === "")
    console.warn(`${what} are skipped: REFERENCE_LIFECYCLE_DIR does not name a lifecycle's directory.`);
}

export const EXPORTERS = { reference: { program: join(REFERENCE, "exporter") }, ours: {} } as const;
export type ExporterName = keyof typeof EXPORTERS;

export const BOTH_WAYS = [
  ["ours", "reference"],
  ["reference", "ours"],
] as const;

export async function runPhase(
  phase: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ExporterRun> {
  const user = ["-uid", String(process.getuid?.() ?? 0), "-gid", String(process.getgid?.() ?? 0)];
  const run = await startProgram(join(REFERENCE, phase), ["-no-color", ...user, ...args], env).ended;
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  return run;
}

/**
 * Removes the contents of layers and restores them from a cache with the reference's restorer. Keeps their [types],
 * which a restorer omits and a buildpack would write again.
 */
export async function restoreLayers(
  scene: Scene,
  layers: readonly string[],
  cacheFlags: readonly string[],
): Promise<ExporterRun> {
  const tomls = layers
    .map((name) => scene.layerPath(`${name}.toml`))
    .map((path) => [path, readFileSync(path)] as const);
  for (const name of layers) rmSync(scene.layerPath(name), { recursive: true });
  const run = await runPhase("restorer", ["-layers", scene.output.layersDir, ...cacheFlags]);
  for (const [path, toml] of tomls) writeFileSync(path, toml);
  return run;
}
