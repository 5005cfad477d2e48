import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { withContext } from "../faults/fault.ts";
import { isNotExist, pathFault } from "../faults/system-error.ts";
import type { Logger } from "../flow/logger.ts";

/** Where the lifecycle's own SBOMs are in a builder image. */
const LIFECYCLE_DIR = "/cnb/lifecycle";
const EXTENSIONS = ["sbom.cdx.json", "sbom.spdx.json", "sbom.syft.json"] as const;
const OWNER = "buildpacksio_lifecycle";

/**
 * Copies the SBOMs of the lifecycle and of the launcher into `<layers>/sbom`, from where they get into layers
 * (contract 4.1; API >= 0.11).
 * @param launcherSbomDir a directory with the launcher's SBOMs, or "" for the default
 * @throws Fault `failed to copy buildpacksio SBOMs: ...`
 */
export function copyLifecycleSboms(layersDir: string, launcherSbomDir: string, logger: Logger): void {
  try {
    copyDefaultSboms("lifecycle", join(layersDir, "sbom", "build", OWNER), logger);
    const launcherTarget = join(layersDir, "sbom", "launch", OWNER, "launcher");
    if (launcherSbomDir === "" || launcherSbomDir === LIFECYCLE_DIR)
      copyDefaultSboms("launcher", launcherTarget, logger);
    else copyAllSboms(launcherSbomDir, launcherTarget, logger);
  } catch (error) {
    throw withContext("failed to copy buildpacksio SBOMs", error, "EXPORT_INPUT_SBOM");
  }
}

function copyDefaultSboms(component: string, target: string, logger: Logger): void {
  for (const extension of EXTENSIONS) {
    const name = `${component}.${extension}`;
    const source = join(LIFECYCLE_DIR, name);
    if (!exists(source)) {
      logger.warn(`Did not find SBOM ${name} in ${LIFECYCLE_DIR}`);
      continue;
    }
    const destination = join(target, extension);
    mkdirSync(target, { recursive: true });
    logger.debug(`Copying SBOM ${name} to ${destination}`);
    copy(source, destination);
  }
}

function exists(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    if (isNotExist(error)) return false;
    throw pathFault("EXPORT_INPUT_SBOM", "stat", path, error);
  }
}

function copyAllSboms(source: string, target: string, logger: Logger): void {
  const names = listSboms(source, logger);
  mkdirSync(target, { recursive: true, mode: 0o755 });
  for (const name of names) {
    const destination = join(target, basename(name));
    try {
      copy(join(source, name), destination);
    } catch (error) {
      logger.warn(`failed while copying SBOM from ${join(source, name)} to ${destination}`);
      throw error;
    }
  }
}

function listSboms(directory: string, logger: Logger): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && EXTENSIONS.some((extension) => entry.name.endsWith(extension)))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    logger.warn(`Failed to list contents of directory ${directory}`);
    throw pathFault("EXPORT_INPUT_SBOM", "open", directory, error);
  }
}

/** A file becomes a new one with the default mode, since the mode ends up in a layer; a symlink stays one. */
function copy(source: string, destination: string): void {
  try {
    if (lstatSync(source).isSymbolicLink()) symlinkSync(readlinkSync(source), destination);
    else writeFileSync(destination, readFileSync(source));
  } catch (error) {
    throw pathFault("EXPORT_INPUT_SBOM", "open", source, error);
  }
}
