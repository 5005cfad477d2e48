import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, readlink, rm, rmdir, stat, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Fault, withContext } from "../errors/fault.ts";
import { hintLine, printableLine } from "../errors/printable.ts";
import { makeDirectories } from "../files/directories.ts";
import { type ByteString, fromByteString, fsPath, joinPath, toByteString } from "../go/byte-string.ts";
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

/** Mode of directories made for a custom `-launcher-sbom` (docs/compatibility.md#sbom-copies). */
const CUSTOM_MODE = 0o755;

/**
 * The SBOMs of the lifecycle and the launcher in `<layers>/sbom`, from where they get into layers
 * (docs/compatibility.md#sbom-copies). The copies are made before the reference makes them, while images are still
 * being opened, so they can be undone.
 */
export class SbomCopies {
  readonly #added: ByteString[] = [];

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
    for (const path of this.#added.splice(0).map(fsPath).reverse())
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
      await this.#makeDirectories(target);
      logger.debug(`Copying SBOM ${name} to ${destination}`);
      await this.#copy(source, toByteString(destination));
    }
  }

  async #copyAll(source: string, target: string, logger: Logger): Promise<void> {
    const names = await listSboms(source, logger);
    await this.#makeDirectories(target, CUSTOM_MODE);
    for (const name of names) {
      const [from, to] = [joinPath(toByteString(source), name), joinPath(toByteString(target), name)];
      try {
        await this.#copy(from, to);
      } catch (error) {
        const [shown, destination] = [from, to].map((path) => printableLine(fromByteString(path)));
        logger.warn(`failed while copying SBOM from ${shown} to ${destination}`);
        throw error;
      }
    }
  }

  /**
   * Files get the default mode, since the mode ends up in a layer; symlinks and directories are copied, anything else
   * is skipped.
   */
  async #copy(source: ByteString, destination: ByteString): Promise<void> {
    const stats = await attempt("lstat", source, () => lstat(fsPath(source)));
    if (stats.isDirectory()) return await this.#copyDirectory(source, destination);
    if (!stats.isFile() && !stats.isSymbolicLink()) return;
    if (!(await isThere(destination))) this.#added.push(destination);
    if (stats.isFile()) return await copyFile(source, destination);
    const target = await attempt("readlink", source, () => readlink(fsPath(source), "latin1"));
    await attempt("symlink", `${target} ${destination}`, () => symlink(fsPath(target), fsPath(destination)));
  }

  async #copyDirectory(source: ByteString, destination: ByteString): Promise<void> {
    if (!(await isThere(destination))) {
      this.#added.push(destination);
      await attempt("mkdir", destination, () => mkdir(fsPath(destination), CUSTOM_MODE));
    }
    const names = await attempt("open", source, () => readdir(fsPath(source), "latin1"));
    for (const name of names.sort()) await this.#copy(joinPath(source, name), joinPath(destination, name));
  }

  async #makeDirectories(path: string, mode?: number): Promise<void> {
    const missing: ByteString[] = [];
    for (let at = path; !(await isThere(toByteString(at))); at = dirname(at)) missing.unshift(toByteString(at));
    this.#added.push(...missing);
    await makeDirectories(path, CODE, mode);
  }
}

async function isThere(path: ByteString): Promise<boolean> {
  return await lstat(fsPath(path)).then(
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

async function listSboms(directory: string, logger: Logger): Promise<ByteString[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true, encoding: "latin1" });
    return entries
      .filter((entry) => !entry.isDirectory() && EXTENSIONS.some((extension) => entry.name.endsWith(extension)))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    logger.warn(`Failed to list contents of directory ${directory}`);
    throw pathFault(CODE, "open", directory, error, {
      hint: hintLine`Correct -launcher-sbom, or leave it out: ${directory} must be a directory that can be read.`,
    });
  }
}

/** Another export of the same build may be reading the copy, so it never shrinks, and an equal one is not rewritten. */
async function copyFile(source: ByteString, destination: ByteString): Promise<void> {
  await using from = await openFile(source, constants.O_RDONLY);
  await using to = await openFile(destination, constants.O_RDWR | constants.O_CREAT);
  await attempt("write", destination, async () => {
    const content = await from.readFile();
    if (content.equals(await to.readFile())) return;
    for (let at = 0; at < content.length; ) at += (await to.write(content, at, content.length - at, at)).bytesWritten;
    await to.truncate(content.length);
  });
}

function openFile(path: ByteString, flags: number): Promise<FileHandle> {
  return attempt("open", path, () => open(fsPath(path), flags));
}

async function attempt<Result>(operation: string, operand: ByteString, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    throw pathFault(CODE, operation, fromByteString(operand), error);
  }
}
