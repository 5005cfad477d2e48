import { constants } from "node:fs";
import { access, lstat } from "node:fs/promises";
import { posix } from "node:path";
import { type BomEntry, bomEntryStruct } from "../cnb/build-metadata.ts";
import type { RunImageRecord } from "../cnb/lifecycle-metadata.ts";
import { withContext } from "../errors/fault.ts";
import { makeDirectories } from "../files/directories.ts";
import { replaceFile } from "../files/durable-file.ts";
import { isNotExist, operationOf, pathFault } from "../go/errno.ts";
import { type GoStruct, goStruct, unlessEmpty } from "../go/json-encode.ts";
import { goToml } from "../go/toml.ts";
import { writeDocument } from "./output.ts";

/**
 * `tags` are the names that were saved, as typed, or the path of the layout. `imageId` is set for a daemon, without
 * `sha256:`. `runImage` is set with `-report-run-image`; the reference has no such table
 * (docs/compatibility.md#run-image-in-the-report).
 */
export interface ExportReport {
  readonly tags: readonly string[];
  readonly imageId: string | undefined;
  readonly digest: string | undefined;
  readonly manifestSize: number;
  readonly bom: readonly BomEntry[];
  readonly runImage?: RunImageRecord | undefined;
}

const TERMINATION_MESSAGE_BYTES = 4096;

/**
 * Drops mirrors of the run image, the last first, until the report fits a termination message of a Kubernetes
 * container, as which platforms may use it (RFC 0129). Keeps all mirrors if the report would be too long without any.
 * @returns the report, and how many mirrors it lost
 */
export function fitTerminationMessage(report: ExportReport): {
  readonly report: ExportReport;
  readonly droppedMirrors: number;
} {
  const { runImage } = report;
  if (runImage === undefined) return { report, droppedMirrors: 0 };
  const { mirrors } = runImage;
  for (let kept = mirrors.length; kept >= 0; kept--) {
    const shorter = { ...report, runImage: { ...runImage, mirrors: mirrors.slice(0, kept) } };
    if (Buffer.byteLength(reportToml(shorter)) <= TERMINATION_MESSAGE_BYTES)
      return { report: shorter, droppedMirrors: mirrors.length - kept };
  }
  return { report, droppedMirrors: 0 };
}

export function reportToml({ tags, imageId, digest, manifestSize, bom, runImage }: ExportReport): string {
  return goToml(
    goStruct({
      build: bom.length === 0 ? undefined : goStruct({ bom: bom.map(bomEntryStruct) }),
      image: goStruct({
        // Go omits a nil slice, which is the result if no name was saved.
        tags: unlessEmpty(tags),
        "image-id": unlessEmpty(imageId),
        digest: unlessEmpty(digest),
        "manifest-size": unlessEmpty(BigInt(manifestSize)),
        "run-image": runImage === undefined ? undefined : runImageStruct(runImage),
      }),
    }),
  );
}

/** RunImageForRebase of the lifecycle's platform/files/analyzed.go, whose tags are those for TOML. */
function runImageStruct({ topLayer, reference, image, mirrors }: RunImageRecord): GoStruct {
  return goStruct({
    "top-layer": topLayer,
    reference,
    image: unlessEmpty(image),
    mirrors: unlessEmpty(mirrors),
  });
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
  const replaceable = await findReplaceable(path);
  if (replaceable !== undefined) {
    try {
      return await replaceFile(path, text, replaceable.mode);
    } catch {
      // A mounted file, or one in another user's directory, cannot be replaced but may be writable.
    }
  }
  await writeDocument(path, text, signal === undefined ? {} : { signal });
}

/**
 * Only regular files of this user and group are replaced, with their mode, and missing ones created; links, devices and
 * files of others are written in place.
 */
async function findReplaceable(path: string): Promise<{ readonly mode: number | undefined } | undefined> {
  // dirname("") is ".", so an empty path would pass as a file of the working directory. open(2) reports it.
  if (path === "") return undefined;
  try {
    const found = await lstat(path);
    const isOwn = found.uid === process.geteuid?.() && found.gid === process.getegid?.();
    if (!found.isFile() || found.nlink > 1 || !isOwn) return undefined;
    await access(path, constants.W_OK);
    return { mode: found.mode & 0o7777 };
  } catch (error) {
    return isNotExist(error) ? { mode: undefined } : undefined;
  }
}
