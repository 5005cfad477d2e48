import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { link, lstat, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { GrowingBlob } from "../../engine/layer.ts";
import { Fault } from "../../errors/fault.ts";
import { hintLine } from "../../errors/printable.ts";
import { copyDurably, writeDurably } from "../../files/durable-file.ts";
import { isNotExist, isSystemError, pathFault } from "../../go/errno.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestOf } from "../../oci/digest.ts";
import { MAX_CONFIG_BYTES } from "../../oci/manifest.ts";
import { workPath } from "./work-directory.ts";

/** O_NONBLOCK: opening a FIFO must not block until a writer opens it. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** Reads a manifest, index or config of a layout; the largest of their limits serves for all. */
export async function readDocument(path: string): Promise<Buffer> {
  const file = await open(path, FLAGS).catch((error: unknown) => {
    throw pathFault("EXPORT_LAYOUT_READ", "open", path, error);
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw unreadable(path, "is not a regular file");
    if (found.size > MAX_CONFIG_BYTES) throw unreadable(path, `has more than ${MAX_CONFIG_BYTES} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function unreadable(path: string, what: string): Fault {
  return new Fault("EXPORT_LAYOUT_READ", `${path} ${what}`);
}

/** The mode of Go's os.CreateTemp, with which the reference creates layer files. */
const LAYER_MODE = 0o600;

const DOCUMENT_MODE = 0o666;

export const WRONG_SIZE = "EXPORT_LAYOUT_SIZE";

type Sized = Pick<Descriptor, "digest" | "size">;

export function blobPath(root: string, digest: Digest): string {
  return join(root, "blobs", ...digest.split(":"));
}

async function blobSize(root: string, digest: Digest, look: typeof stat = lstat): Promise<number | undefined> {
  const path = blobPath(root, digest);
  try {
    const found = await look(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    if (isNotExist(error)) return undefined;
    throw pathFault("EXPORT_LAYOUT_READ", "lstat", path, error);
  }
}

async function isThere(root: string, { digest, size }: Sized): Promise<boolean> {
  return (await blobSize(root, digest, stat)) === size;
}

/**
 * True if a regular file exists for the blob.
 * @throws Fault in the reference's words if something else is in its place (go-containerregistry layout/blob.go)
 */
export async function hasBlob(root: string, digest: Digest): Promise<boolean> {
  try {
    await lookAt(root, digest);
    return true;
  } catch (error) {
    if (error instanceof Fault && isNotExist(error.cause)) return false;
    throw error;
  }
}

async function lookAt(root: string, digest: Digest): Promise<void> {
  const path = blobPath(root, digest);
  const found = await lstat(path).catch((error: unknown) => {
    throw pathFault("EXPORT_LAYOUT_READ", "lstat", path, error);
  });
  if (found.isFile()) return;
  const kind = found.isSymbolicLink() ? "a symlink" : "not a regular file";
  throw new Fault("EXPORT_LAYOUT_READ", `layout blob ${digest} is ${kind}`, { destination: root });
}

export async function readBlob(root: string, digest: Digest): Promise<Buffer> {
  const path = blobPath(root, digest);
  await lookAt(root, digest);
  const bytes = await readDocument(path);
  const found = digestOf(bytes);
  if (found === digest) return bytes;
  throw new Fault("EXPORT_LAYOUT_DIGEST", `${path} has the digest ${found}`, { destination: root });
}

/*
 * Blobs are written to a layout whose directories exist (`Layout.create`). A blob appears under its digest only when it
 * is complete and on disk, because an existing blob of the right size is never written again
 * (docs/compatibility.md#layout-files).
 */

export async function putBlob(root: string, blob: GrowingBlob, signal: AbortSignal): Promise<boolean> {
  const { moveTo } = blob;
  if (moveTo !== undefined) {
    const built = await blob.done;
    if (await isThere(root, built)) return false;
    const path = blobPath(root, built.digest);
    if (await written(path, () => moveTo.call(blob, path))) return true;
  }
  return await writeGrowing(root, blob, signal);
}

/**
 * Copies a layer's blob from another layout, as a reflink if possible.
 * @param empty how an empty file counts
 * @returns false if the blob is absent in `from`, which is then a sparse layout (docs/compatibility.md#layout-files)
 * @throws Fault with {@link WRONG_SIZE} for a blob of another size
 */
export async function copyBlob(
  root: string,
  blob: Sized,
  from: string,
  empty: "absent" | "broken" = "broken",
): Promise<boolean> {
  if (await isThere(root, blob)) return true;
  const { digest, size } = blob;
  const found = await blobSize(from, digest);
  if (found === undefined || (found === 0 && empty === "absent")) return false;
  if (found !== size)
    throw new Fault(WRONG_SIZE, `error writing layer: expected blob size ${size}, but only wrote ${found}`, {
      destination: root,
      hint: hintLine`Write that layout again: ${blobPath(from, digest)} does not match its descriptor.`,
    });
  await written(blobPath(root, digest), () =>
    underTemporaryName(root, digest, (temporary) =>
      copyDurably(blobPath(from, digest), temporary, { exactMode: LAYER_MODE }),
    ),
  );
  return true;
}

export async function linkBlob(root: string, blob: Sized, from: string): Promise<void> {
  if (await isThere(root, blob)) return;
  try {
    await underTemporaryName(root, blob.digest, (temporary) => link(blobPath(from, blob.digest), temporary));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    await copyBlob(root, blob, from, "absent");
  }
}

export async function putBytes(root: string, bytes: Uint8Array): Promise<void> {
  const digest = digestOf(bytes);
  if (await isThere(root, { digest, size: bytes.length })) return;
  await written(blobPath(root, digest), () =>
    underTemporaryName(root, digest, (temporary) =>
      writeDurably(temporary, bytes, { flag: "wx", mode: DOCUMENT_MODE }),
    ),
  );
}

async function writeGrowing(root: string, blob: GrowingBlob, signal: AbortSignal): Promise<boolean> {
  const temporary = temporaryIn(root);
  try {
    return await written(temporary, async () => {
      await writeDurably(temporary, blob.read(0, signal), { flag: "wx", mode: LAYER_MODE });
      const built = await blob.done;
      if (await isThere(root, built)) return false;
      await rename(temporary, blobPath(root, built.digest));
      return true;
    });
  } finally {
    await removeTemporary(temporary);
  }
}

async function underTemporaryName(root: string, digest: Digest, make: (path: string) => Promise<void>): Promise<void> {
  const temporary = temporaryIn(root);
  try {
    await make(temporary);
    await rename(temporary, blobPath(root, digest));
  } finally {
    await removeTemporary(temporary);
  }
}

/** Best effort: it lies in the work directory. */
async function removeTemporary(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => undefined);
}

function temporaryIn(root: string): string {
  return join(workPath(root), randomUUID());
}

async function written<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw error instanceof Fault || !isSystemError(error) ? error : writeFault("write", path, error);
  }
}

export function writeFault(operation: string, path: string, error: unknown): Fault {
  const isDirectory = isSystemError(error, "EISDIR");
  // The error of a rename(2) also names its target; `path` may be the temporary file.
  const target = isDirectory && "dest" in error && typeof error.dest === "string" ? error.dest : path;
  const hint = isDirectory
    ? hintLine`Remove the directory ${target}, which is in the place of a file of the layout.`
    : undefined;
  return pathFault("EXPORT_LAYOUT_WRITE", operation, target, error, { hint });
}
