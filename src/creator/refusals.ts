import { statSync } from "node:fs";
import { readDetectedGroup } from "../build-output/group.ts";
import type { GroupElement } from "../cnb/build-metadata.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { Fault, failTo } from "../errors/fault.ts";
import { pathFault } from "../go/errno.ts";
import { type Analyzed, cacheKind, type ExportSettings } from "../plan/inputs.ts";

/**
 * The reference's creator opens the cache before the first phase, so a missing directory is reported before anything is
 * built (docs/compatibility.md#creator).
 * @throws Fault `failed to create volume cache: ...`
 */
export function refuseMissingCache(settings: ExportSettings): void {
  if (cacheKind(settings) !== "directory") return;
  const { cacheDir } = settings;
  try {
    statSync(cacheDir);
  } catch (error) {
    throw failTo("create volume cache", pathFault("EXPORT_CACHE_DIRECTORY", "stat", cacheDir, error));
  }
}

/**
 * The analyzer leaves the reference of a missing run image empty. The reference builds anyway and then fails to export
 * (docs/compatibility.md#missing-run-image).
 * @throws Fault with exit code 1
 */
export function refuseMissingRunImage({ runImage }: ExportSettings, analyzed: Analyzed): void {
  if (analyzed.runImage === undefined || analyzed.runImage.reference !== "") return;
  const name = runImage || analyzed.runImage.image;
  throw new Fault("EXPORT_ARGS_RUN_IMAGE", `failed to find run image${name === "" ? "" : ` '${name}'`}`, {
    exitCode: EXIT_CODES.failed,
  });
}

/**
 * Reads the detected group. Builds with extensions must run in separate phases, including the extender
 * (docs/compatibility.md#creator).
 * @throws Fault with exit code 22
 */
export async function readGroupWithoutExtensions({ groupPath }: ExportSettings): Promise<readonly GroupElement[]> {
  const { group, extensions } = await readDetectedGroup(groupPath);
  if (extensions.length > 0) throw extensionsFault();
  return group;
}

export function extensionsFault(): Fault {
  return new Fault(
    "EXPORT_ARGS_EXTENSIONS",
    "failed to detect: detected order contains extensions which is not supported by the creator",
    { exitCode: EXIT_CODES.detectFailed },
  );
}
