import { open } from "node:fs/promises";

/**
 * Reads a whole file in requests that `process.getActiveResourcesInfo()` lists, as src/process/signals.ts needs: the process
 * may have to end while one of them is blocked. Node's `readFile` of a path is a job that is not listed
 * (https://github.com/nodejs/node/blob/v26.10.0/lib/internal/fs/promises.js).
 */
export async function readFile(path: string): Promise<Buffer> {
  await using file = await open(path);
  return await file.readFile();
}
