import { constants } from "node:fs";
import { access, lstat } from "node:fs/promises";
import { posix } from "node:path";
import { type BomEntry, bomEntryStruct } from "../cnb/build-metadata.ts";
import { withContext } from "../errors/fault.ts";
import { makeDirectories } from "../files/directories.ts";
import { replaceFile } from "../files/durable-file.ts";
import { isNotExist, operationOf, pathFault } from "../go/errno.ts";
import { goStruct, unlessEmpty } from "../go/json.ts";
import { goToml } from "../go/toml.ts";
import { writeDocument } from "./output.ts";

export interface ExportReport {
  /** The names that were saved, as typed; the layout's path in layout mode. */
  readonly tags: readonly string[];
  /** In a daemon: the image's ID without `sha256:`; else undefined. */
  readonly imageId: string | undefined;
  readonly digest: string | undefined;
  readonly manifestSize: number;
  readonly bom: readonly BomEntry[];
}

export function reportToml({ tags, imageId, digest, manifestSize, bom }: ExportReport): string {
  return goToml(
    goStruct({
      build: bom.length === 0 ? undefined : goStruct({ bom: bom.map(bomEntryStruct) }),
      image: goStruct({
        // Go omits a nil slice, which is the result if no name was saved.
        tags: unlessEmpty(tags),
        "image-id": unlessEmpty(imageId),
        digest: unlessEmpty(digest),
        "manifest-size": unlessEmpty(BigInt(manifestSize)),
      }),
    }),
  );
}

/**
 * Writes report.toml and creates its directories. Replaces the file atomically if possible, so that a platform never
 * reads part of it.
 * @param signal ends the wait for the reader of a FIFO
 * @throws Fault `failed to write report file: ...`; the signal's reason
 */
export async function writeReport(path: string, report: ExportReport, signal?: AbortSignal): Promise<void> {
  try {
    await makeDirectories(posix.normalize(posix.dirname(path)), "EXPORT_REPORT_WRITE");
    await write(path, reportToml(report), signal).catch((error: unknown) => {
      throw pathFault("EXPORT_REPORT_WRITE", operationOf(error), path, error);
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw withContext("failed to write report file", error);
  }
}

async function write(path: string, text: string, signal: AbortSignal | undefined): Promise<void> {
  if (await isReplaceable(path)) {
    try {
      return await replaceFile(path, text);
    } catch {
      // A mounted file, or one in another user's directory, cannot be replaced but may be writable.
    }
  }
  await writeDocument(path, text, signal === undefined ? {} : { signal });
}

/** Only regular files are replaced; links and devices are written in place. */
async function isReplaceable(path: string): Promise<boolean> {
  try {
    const found = await lstat(path);
    if (!found.isFile() || found.nlink > 1) return false;
    await access(path, constants.W_OK);
    return true;
  } catch (error) {
    return isNotExist(error);
  }
}
