import { randomUUID } from "node:crypto";
import { open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isSystemError } from "../go/errno.ts";

/** What the umask leaves of it. */
const MODE = 0o666;

/** File systems that have no use for it answer an fsync of a directory so (fsync(2)). */
const NEEDS_NO_SYNC = ["EINVAL", "ENOTSUP", "ENOSYS"];

/**
 * Writes a file, over the one that is there unless `flag` says otherwise, and waits until its bytes are on the disk.
 * @throws Node's error, as the other functions here
 */
export async function writeDurably(
  path: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
  { flag = "w", mode = MODE }: { readonly flag?: string; readonly mode?: number } = {},
): Promise<void> {
  await using file = await open(path, flag, mode);
  await file.writeFile(content);
  await file.sync();
}

/** Waits until a file's bytes are on the disk, whoever wrote them. */
export async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.sync();
}

/** Waits until a directory's names are on the disk: a rename or a new file in it would not survive a crash before that. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    await syncFile(path);
  } catch (error) {
    if (!isSystemError(error) || !NEEDS_NO_SYNC.includes(error.code)) throw error;
  }
}

/**
 * Puts a file in the place of another in one step: whoever reads it, and whatever kills the process or the machine, it is the
 * old one or the new one.
 * @param temporary on the same file system; what an earlier process left there is removed
 */
export async function replaceDurably(path: string, content: string, temporary: string, mode = MODE): Promise<void> {
  await rm(temporary, { force: true });
  try {
    await writeDurably(temporary, content, { flag: "wx", mode });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/**
 * The same with a temporary file beside the old one. Several processes may do it at once: each removes all temporary files once,
 * so that those of killed processes do not stay, and starts over if another removed its own.
 */
export async function replaceFile(path: string, content: string): Promise<void> {
  const [directory, prefix] = [dirname(path), `.${basename(path)}.making`];
  for (const name of await readdir(directory))
    if (name.startsWith(prefix)) await rm(join(directory, name), { force: true }).catch(() => undefined);
  for (;;) {
    try {
      return await replaceDurably(path, content, join(directory, `${prefix}-${randomUUID()}`));
    } catch (error) {
      if (!isSystemError(error) || error.code !== "ENOENT" || error.syscall !== "rename") throw error;
    }
  }
}
