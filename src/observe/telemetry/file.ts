import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Fault } from "../../errors/fault.ts";
import { isInside } from "../../files/directories.ts";
import { isSystemError, pathFault } from "../../go/errno.ts";

/** Below the layers directory; RFC 0131 reserves the name, so no buildpack may have it as its id. */
const TRACING_DIRECTORY = "tracing";

/** Other phases and the platform may run as another user of the same group (RFC 0131, "Access"). */
const DIRECTORY_MODE = 0o775;
const FILE_MODE = 0o664;

/** A link could lead out of the layers directory, and opening a FIFO could block. */
const OPEN_FLAGS =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Appends lines to `<layers>/tracing/lifecycle/<phase>.jsonl`, whose earlier lines stay. `write` never throws: after a
 * `failure` it writes nothing, because the file may end in a partial line.
 */
export class TelemetryFile {
  readonly #path: string;
  readonly #descriptor: number;
  #failure: Fault | undefined;

  private constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  /**
   * Creates the file and its directories where they do not exist.
   * @param layersDir absolute
   * @param appDir absolute; its files become part of the app image
   * @throws Fault that names the path
   */
  static open(layersDir: string, appDir: string, phase: "export" | "create"): TelemetryFile {
    const tracing = join(layersDir, TRACING_DIRECTORY);
    if (isInside(appDir, tracing))
      throw new Fault(
        "EXPORT_REPORT_TELEMETRY",
        `${tracing} is inside the app directory, which becomes part of the image`,
      );
    const lifecycle = join(tracing, "lifecycle");
    for (const directory of [tracing, lifecycle]) makeDirectory(directory);
    const path = join(lifecycle, `${phase}.jsonl`);
    try {
      return new TelemetryFile(path, openFile(path));
    } catch (error) {
      throw error instanceof Fault ? error : pathFault("EXPORT_REPORT_TELEMETRY", "open", path, error);
    }
  }

  get failure(): Fault | undefined {
    return this.#failure;
  }

  write(line: string): void {
    if (this.#failure !== undefined) return;
    const bytes = Buffer.from(`${line}\n`);
    try {
      // Appended by one call, so that lines of two exports never mix.
      for (let start = 0; start < bytes.length; ) start += writeSync(this.#descriptor, bytes, start);
    } catch (error) {
      this.#failure = pathFault("EXPORT_REPORT_TELEMETRY", "write", this.#path, error);
    }
  }

  close(): void {
    try {
      closeSync(this.#descriptor);
    } catch (error) {
      this.#failure ??= pathFault("EXPORT_REPORT_TELEMETRY", "close", this.#path, error);
    }
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path);
    // The umask may have taken the group's right to write.
    chmodSync(path, DIRECTORY_MODE);
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw pathFault("EXPORT_REPORT_TELEMETRY", "mkdir", path, error);
    if (!lstatSync(path).isDirectory()) throw new Fault("EXPORT_REPORT_TELEMETRY", `mkdir ${path}: not a directory`);
  }
}

function openFile(path: string): number {
  const descriptor = openSync(path, OPEN_FLAGS, FILE_MODE);
  const stats = fstatSync(descriptor);
  if (!stats.isFile() || stats.nlink > 1) {
    closeSync(descriptor);
    throw new Fault("EXPORT_REPORT_TELEMETRY", `open ${path}: not a regular file with one name`);
  }
  if (stats.size === 0 && stats.uid === process.geteuid?.()) fchmodSync(descriptor, FILE_MODE);
  return descriptor;
}
