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

/** Linux's O_TMPFILE (open(2)): a file that never has a name. Node has no word for it. */
const NAMELESS = 0o20000000 | fs.constants.O_DIRECTORY | fs.constants.O_RDWR;

/**
 * Creates a spool file without a name, so that nothing is left behind however the process ends, and its space is free again
 * when it is closed. Where the file system cannot do that (NFS, some overlays), the file loses its name as soon as it is open.
 */
export async function openNamelessFile(directory: string): Promise<number> {
  const nameless = await open(directory, NAMELESS, 0o600).catch(() => undefined);
  if (nameless !== undefined) return nameless;
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
