import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { SpoolFile } from "../../workers/protocol.ts";
import { Fault } from "../errors/fault.ts";
import { systemHint } from "../errors/shortage.ts";
import { goReason } from "../go/errno.ts";

/*
 * Plain descriptors, because Node ends the process when it collects an open FileHandle, which a finished spool may be
 * after an unrelated fault.
 */
const open = promisify(fs.open);
const close = promisify(fs.close);
const unlinkPath = promisify(fs.unlink);

/** The descriptor belongs to the calling thread, which must outlive its use in others. */
export async function openSpoolFile(
  directory: string,
  code: SpoolFile["code"],
): Promise<{ readonly file: SpoolFile; readonly path: string }> {
  const path = spoolPath(directory);
  try {
    return { file: { fileDescriptor: await open(path, "wx+", 0o600), directory, code }, path };
  } catch (error) {
    throw cannotCreate(directory, code, error);
  }
}

function spoolPath(directory: string): string {
  return join(directory, `tandem-spool-${randomUUID()}`);
}

const NAMELESS = 0o20000000 | fs.constants.O_DIRECTORY | fs.constants.O_RDWR;

/**
 * Creates an unnamed spool file (Linux's O_TMPFILE, open(2), which Node does not define): however the process ends,
 * nothing is left behind, and closing it frees its space. File systems without O_TMPFILE (NFS, some overlays) get a
 * file that is unlinked right after it is opened.
 */
export async function openNamelessFile(directory: string): Promise<SpoolFile> {
  const code = "EXPORT_LAYER_SPOOL";
  const nameless = await open(directory, NAMELESS, 0o600).catch(() => undefined);
  if (nameless !== undefined) return { fileDescriptor: nameless, directory, code };
  const { file, path } = await openSpoolFile(directory, code);
  try {
    await unlinkPath(path);
    return file;
  } catch (error) {
    await closeSpoolFile(file.fileDescriptor);
    throw cannotCreate(directory, code, error);
  }
}

/**
 * Throws what {@link openNamelessFile} would throw later. Synchronous, because the process may have the rights of
 * another user for as long as it takes.
 */
export function requireSpoolDirectory(directory: string): void {
  try {
    fs.closeSync(fs.openSync(directory, NAMELESS, 0o600));
  } catch {
    requireSpoolFile(directory);
  }
}

function requireSpoolFile(directory: string): void {
  const path = spoolPath(directory);
  try {
    fs.closeSync(fs.openSync(path, "wx+", 0o600));
    fs.unlinkSync(path);
  } catch (error) {
    throw cannotCreate(directory, "EXPORT_LAYER_SPOOL", error);
  }
}

export async function closeSpoolFile(fileDescriptor: number): Promise<void> {
  await close(fileDescriptor).catch(() => undefined);
}

const CREATE_HINTS = {
  EXPORT_LAYER_SPOOL: "Give a writable directory with -spool-dir or TMPDIR.",
  EXPORT_LAYOUT_WRITE: "Give a writable directory with -layout-dir.",
} satisfies Record<SpoolFile["code"], string>;

function cannotCreate(directory: string, code: SpoolFile["code"], error: unknown): Fault {
  const hint = systemHint(error);
  const ofSystem = hint === undefined ? "" : `${hint}\n`;
  return new Fault(code, `failed to create a spool file in ${directory}: ${goReason(error)}`, {
    cause: error,
    hint: ofSystem + CREATE_HINTS[code],
  });
}

/** A blob's part of a spool file: from `offset` on, which no other blob overlaps. */
export interface SpoolRegion {
  readonly file: SpoolFile;
  readonly offset: number;
  release(): Promise<void>;
}

interface SharedFile {
  readonly file: SpoolFile;
  end: number;
  blobs: number;
}

/**
 * Spool files of an export. A layer of both images keeps its blob until the cache has it, so a build can hold as many
 * blobs as layers. Each gets its own file, whose space is freed when it is closed, while descriptors last; later blobs
 * share files. Shared files are sparse: a blob reserves its maximum size. Each blob calls `release` once, and the last
 * one of a file closes it.
 */
export class SpoolFiles {
  readonly #directory: string;
  readonly #maxFiles: number;
  readonly #files = new Set<SharedFile>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(directory: string, maxFiles: number) {
    this.#directory = directory;
    this.#maxFiles = maxFiles;
  }

  async open(bytes: number): Promise<SpoolRegion> {
    const opening = this.#turn.then(() => this.#choose());
    this.#turn = opening.catch(() => undefined);
    const shared = await opening;
    const offset = shared.end;
    shared.end += bytes;
    return { file: shared.file, offset, release: () => this.#release(shared) };
  }

  async #choose(): Promise<SharedFile> {
    const shared = this.#files.size < this.#maxFiles ? await this.#create() : this.#leastShared();
    shared.blobs += 1;
    return shared;
  }

  async #create(): Promise<SharedFile> {
    const shared = { file: await openNamelessFile(this.#directory), end: 0, blobs: 0 };
    this.#files.add(shared);
    return shared;
  }

  #leastShared(): SharedFile {
    return [...this.#files].reduce((least, shared) => (shared.blobs < least.blobs ? shared : least));
  }

  async #release(shared: SharedFile): Promise<void> {
    shared.blobs -= 1;
    if (shared.blobs > 0) return;
    this.#files.delete(shared);
    await closeSpoolFile(shared.file.fileDescriptor);
  }
}
