import { readdir } from "node:fs/promises";
import type { Fault } from "../faults/fault.ts";
import { isNotExist, pathFault } from "../faults/system-error.ts";

/**
 * Looks for a directory of SBOMs, as the reference does: by listing it.
 * @returns a fault `open <path>: ...` when it cannot be told
 */
export async function findSboms(path: string): Promise<boolean | Fault> {
  try {
    await readdir(path);
    return true;
  } catch (error) {
    return isNotExist(error) ? false : pathFault("EXPORT_INPUT_SBOM", "open", path, error);
  }
}
