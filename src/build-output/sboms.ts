import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir, readlink, rm, rmdir, stat, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Fault, withContext } from "../errors/fault.ts";
import { printableLine } from "../errors/printable.ts";
import { makeDirectories } from "../files/directories.ts";
import { isNotExist, pathFault } from "../go/errno.ts";
import type { Logger } from "../logger.ts";

export async function findSboms(path: string): Promise<boolean | Fault> {
  try {
    await readdir(path);
    return true;
  } catch (error) {
    return isNotExist(error) ? false : pathFault("EXPORT_INPUT_SBOM", "open", path, error);
  }
}

const LIFECYCLE_DIR = "/cnb/lifecycle";
const EXTENSIONS = ["sbom.cdx.json", "sbom.spdx.json", "sbom.syft.json"] as const;
const OWNER = "buildpacksio_lifecycle";

const CODE = "EXPORT_INPUT_SBOM";

/**
 * The SBOMs of the lifecycle and the launcher in `<layers>/sbom`, from where they get into layers
 * (docs/compatibility.md#sbom-copies). The copies are made before the reference makes them, while images are still being
 * opened, so they can be undone.
 */
export class SbomCopies {
  readonly #added: string[] = [];

  async make(layersDir: string, launcherSbomDir: string, logger: Logger): Promise<void> {
    try {
      await this.#copyDefaults("lifecycle", join(layersDir, "sbom", "build", OWNER), logger);
      const launcherTarget = join(layersDir, "sbom", "launch", OWNER, "launcher");
      if (launcherSbomDir === "" || launcherSbomDir === LIFECYCLE_DIR)
        await this.#copyDefaults("launcher", launcherTarget, logger);
      else await this.#copyAll(launcherSbomDir, launcherTarget, logger);
    } catch (error) {
      throw withContext("failed to copy buildpacksio SBOMs", error, CODE);
    }
  }

  async undo(): Promise<void> {
    for (const path of this.#added.splice(0).reverse())
      await lstat(path)
        .then((found) => (found.isDirectory() ? rmdir(path) : rm(path)))
        .catch(() => undefined);
  }

  async #copyDefaults(component: string, target: string, logger: Logger): Promise<void> {
    for (const extension of EXTENSIONS) {
      const name = `${component}.${extension}`;
      const source = join(LIFECYCLE_DIR, name);
      if (!(await exists(source))) {
        logger.warn(`Did not find SBOM ${name} in ${LIFECYCLE_DIR}`);
        continue;
      }
      const destination = join(target, extension);
      await this.#makeDirectory(target);
      logger.debug(`Copying SBOM ${name} to ${destination}`);
      await this.#copy(source, destination);
    }
  }

  async #copyAll(source: string, target: string, logger: Logger): Promise<void> {
    const names = await listSboms(source, logger);
    await this.#makeDirectory(target);
    for (const name of names) {
      const destination = join(target, name);
      try {
        await this.#copy(join(source, name), destination);
      } catch (error) {
        logger.warn(`failed while copying SBOM from ${printableLine(join(source, name))} to ${destination}`);
        throw error;
      }
    }
  }

  /**
   * Files get the default mode, since the mode ends up in a layer; symlinks and directories are copied, anything else
   * is skipped.
   */
  async #copy(source: string, destination: string): Promise<void> {
    const stats = await attempt("lstat", source, () => lstat(source));
    if (stats.isDirectory()) return await this.#copyDirectory(source, destination);
    if (!stats.isFile() && !stats.isSymbolicLink()) return;
    if (!(await isThere(destination))) this.#added.push(destination);
    if (stats.isFile()) return await copyFile(source, destination);
    const target = await attempt("readlink", source, () => readlink(source));
    await attempt("symlink", `${target} ${destination}`, () => symlink(target, destination));
  }

  async #copyDirectory(source: string, destination: string): Promise<void> {
    await this.#makeDirectory(destination);
    const names = await attempt("open", source, () => readdir(source));
    for (const name of names.sort()) await this.#copy(join(source, name), join(destination, name));
  }

  async #makeDirectory(path: string): Promise<void> {
    const missing: string[] = [];
    for (let at = path; !(await isThere(at)); at = dirname(at)) missing.unshift(at);
    this.#added.push(...missing);
    await makeDirectories(path, CODE);
  }
}

async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isNotExist(error)) return false;
    throw pathFault(CODE, "stat", path, error);
  }
}

async function listSboms(directory: string, logger: Logger): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory() && EXTENSIONS.some((extension) => entry.name.endsWith(extension)))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    logger.warn(`Failed to list contents of directory ${directory}`);
    throw pathFault(CODE, "open", directory, error);
  }
}

/** Another export of the same build may be reading the copy, so it never shrinks, and an equal one is not rewritten. */
async function copyFile(source: string, destination: string): Promise<void> {
  await using from = await openFile(source, constants.O_RDONLY);
  await using to = await openFile(destination, constants.O_RDWR | constants.O_CREAT);
  await attempt("write", destination, async () => {
    const content = await from.readFile();
    if (content.equals(await to.readFile())) return;
    for (let at = 0; at < content.length; ) at += (await to.write(content, at, content.length - at, at)).bytesWritten;
    await to.truncate(content.length);
  });
}

function openFile(path: string, flags: number): Promise<FileHandle> {
  return attempt("open", path, () => open(path, flags));
}

async function attempt<Result>(operation: string, operand: string, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    throw pathFault(CODE, operation, operand, error);
  }
}
