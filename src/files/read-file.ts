import { readFileSync as readSync, realpathSync, statSync } from "node:fs";
import { open, realpath, stat } from "node:fs/promises";

/**
 * Reads a whole file in requests that `process.getActiveResourcesInfo()` lists, as src/process/signals.ts needs: the
 * process may have to end while one of them is blocked. Node's `readFile` of a path is a job that is not listed
 * (https://github.com/nodejs/node/blob/v26.10.0/lib/internal/fs/promises.js).
 * @throws Error for a FIFO, which has no end, and no beginning before a process writes to it. A pipe that a shell
 * passes as /dev/fd/N is read: it has a writer, and no path of its own, which realpath(3) would find.
 */
export async function readFile(path: string): Promise<Buffer> {
  if ((await stat(path)).isFIFO() && (await hasPath(path))) throw fifoError();
  await using file = await open(path);
  return await file.readFile();
}

/**
 * {@link readFile} without a turn of the event loop: not even a signal ends the process in between.
 * @throws as {@link readFile}
 */
export function readFileSync(path: string): Buffer {
  if (statSync(path).isFIFO() && hasPathSync(path)) throw fifoError();
  return readSync(path);
}

async function hasPath(path: string): Promise<boolean> {
  return realpath(path).then(
    () => true,
    () => false,
  );
}

function hasPathSync(path: string): boolean {
  try {
    realpathSync.native(path);
    return true;
  } catch {
    return false;
  }
}

function fifoError(): Error {
  return new Error("it is a FIFO, not a regular file");
}
