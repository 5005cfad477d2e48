import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault, messageOf } from "../faults/fault.ts";

/*
 * Plain descriptors, because node ends the process when a FileHandle is collected that nobody closed, and after a fault
 * somewhere else a finished spool may be just that.
 */
const open = promisify(fs.open);
const close = promisify(fs.close);
const unlink = promisify(fs.unlink);

/** Creates a spool file. Its descriptor belongs to the calling thread, which must outlive its use in others. */
export async function openSpoolFile(directory: string): Promise<{ readonly file: number; readonly path: string }> {
  const path = join(directory, `tandem-spool-${randomUUID()}`);
  try {
    return { file: await open(path, "wx+", 0o600), path };
  } catch (error) {
    throw cannotCreate(directory, error);
  }
}

/**
 * Creates a spool file without a name: it is unlinked as soon as it is open, so that nothing is left behind however the
 * process ends, and its space is free again when it is closed.
 */
export async function openNamelessFile(directory: string): Promise<number> {
  const { file, path } = await openSpoolFile(directory);
  try {
    await unlink(path);
    return file;
  } catch (error) {
    throw cannotCreate(directory, error);
  }
}

/** Nothing is lost by a close that fails: all that was to be read was read. */
export async function closeSpoolFile(file: number): Promise<void> {
  await close(file).catch(() => undefined);
}

function cannotCreate(directory: string, error: unknown): Fault {
  return new Fault("EXPORT_LAYER_SPOOL", `failed to create a spool file in ${directory}: ${messageOf(error)}`, {
    cause: error,
    hint: "Give a writable directory with -spool-dir or TMPDIR.",
  });
}
