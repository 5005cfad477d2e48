import type { Stats } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Fault, type FaultCode } from "../errors/fault.ts";
import { pathFault } from "../go/errno.ts";

/**
 * Creates a directory and its parents. Node's recursive mkdir reports another path and error than Go's os.MkdirAll.
 * Modes are 0777 minus the umask.
 * @param code of the fault
 * @throws Fault `mkdir <path>: <reason>` for the first directory that cannot be created
 */
export async function makeDirectories(path: string, code: FaultCode): Promise<void> {
  const found = await statOf(path);
  if (found?.isDirectory()) return;
  if (found !== undefined) throw new Fault(code, `mkdir ${path}: not a directory`);
  const parent = dirname(path);
  if (parent !== path) await makeDirectories(parent, code);
  try {
    await mkdir(path);
  } catch (error) {
    const other = await statOf(path);
    if (!other?.isDirectory()) throw pathFault(code, "mkdir", path, error);
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch {
    return undefined;
  }
}
