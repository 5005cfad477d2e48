import { realpathSync, type Stats } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { Fault, type FaultCode } from "../errors/fault.ts";
import { pathFault } from "../go/errno.ts";

/**
 * Creates a directory and its parents. Node's recursive mkdir reports another path and error than Go's os.MkdirAll.
 * @param code of the fault
 * @param mode of all that it creates, minus the umask
 * @throws Fault `mkdir <path>: <reason>` for the first directory that cannot be created
 */
export async function makeDirectories(path: string, code: FaultCode, mode = 0o777): Promise<void> {
  const found = await statIfPossible(path);
  if (found?.isDirectory()) return;
  if (found !== undefined) throw new Fault(code, `mkdir ${path}: not a directory`);
  const parent = dirname(path);
  if (parent !== path) await makeDirectories(parent, code, mode);
  try {
    await mkdir(path, mode);
  } catch (error) {
    const other = await statIfPossible(path);
    if (!other?.isDirectory()) throw pathFault(code, "mkdir", path, error);
  }
}

async function statIfPossible(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch {
    return undefined;
  }
}

/** Of absolute paths, through links. Neither needs to exist. */
export function isInside(directory: string, path: string): boolean {
  const way = relative(resolved(directory), resolved(path));
  return way === "" || !(way === ".." || way.startsWith("../"));
}

function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = join(path, "..");
    return parent === path ? path : join(resolved(parent), path.slice(parent.length));
  }
}
