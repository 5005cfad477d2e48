import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { chmod, copyFile, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isNotExist, isSystemError } from "../go/errno.ts";

const MODE = 0o666;

/** Each process removes the temporary files of others once, so this many would have to start during one replacement. */
const ATTEMPTS = 50;

const NEEDS_NO_SYNC = ["EINVAL", "ENOTSUP", "ENOSYS"];

interface FileModes {
  readonly mode?: number;
  /** Regardless of the umask. */
  readonly exactMode?: number | undefined;
}

export async function writeDurably(
  path: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
  { flag = "w", mode = MODE, exactMode }: FileModes & { readonly flag?: string } = {},
): Promise<void> {
  await using file = await open(path, flag, mode);
  if (exactMode !== undefined) await file.chmod(exactMode);
  await file.writeFile(content);
  await file.sync();
}

/**
 * Copies to a new file, as a reflink if possible. A seccomp profile may refuse copy_file_range(2) with EPERM, for which
 * Node.js, unlike Go, does not fall back to reading and writing.
 */
export async function copyDurably(
  from: string,
  to: string,
  { exactMode }: Pick<FileModes, "exactMode"> = {},
): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  } catch (error) {
    if (!isSystemError(error, "EPERM")) throw error;
    await using source = await open(from);
    return await writeDurably(to, source.createReadStream(), { flag: "wx", exactMode });
  }
  if (exactMode !== undefined) await chmod(to, exactMode);
  await syncFile(to);
}

export async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.sync();
}

/** A rename or a new file in a directory may not survive a crash without this. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    await syncFile(path);
  } catch (error) {
    if (!isSystemError(error, ...NEEDS_NO_SYNC)) throw error;
  }
}

/**
 * Replaces a file atomically: after a crash of the process or the machine it is the old file or the new one.
 * @param temporary on the same file system; an existing file there is removed
 */
export async function replaceDurably(
  path: string,
  content: string,
  temporary: string,
  modes: FileModes = {},
): Promise<void> {
  await rm(temporary, { force: true });
  try {
    await writeDurably(temporary, content, { flag: "wx", ...modes });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path)).catch((error: unknown) => {
    // Moved or removed since then.
    if (!isNotExist(error)) throw error;
  });
}

/**
 * Like {@link replaceDurably}, with a temporary file beside the old one. Safe for concurrent processes: each removes
 * all temporary files once, to clean up after killed processes, and starts over if another process removed its own.
 */
export async function replaceFile(path: string, content: string, exactMode?: number): Promise<void> {
  const [directory, prefix] = [dirname(path), `.${basename(path)}.making`];
  for (const name of await readdir(directory))
    if (name.startsWith(prefix)) await rm(join(directory, name), { force: true }).catch(() => undefined);
  for (let attempt = 1; ; attempt++) {
    try {
      return await replaceDurably(path, content, join(directory, `${prefix}-${randomUUID()}`), { exactMode });
    } catch (error) {
      const wasRemoved = isSystemError(error, "ENOENT") && error.syscall === "rename";
      if (!wasRemoved || attempt === ATTEMPTS) throw error;
    }
  }
}
