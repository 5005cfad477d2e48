import { posix } from "node:path";
import { Fault } from "../faults/fault.ts";

/**
 * Makes a path absolute.
 * @param cwd the working directory; "" when it was deleted
 * @throws Fault in the words of Go's filepath.Abs, for a relative path in a deleted directory
 */
export function absolutePath(cwd: string, path: string): string {
  if (cwd === "" && !posix.isAbsolute(path))
    throw new Fault("EXPORT_ARGS_CWD", "getwd: no such file or directory", {
      hint: `The working directory was deleted: give ${path} as an absolute path, or start in another directory.`,
    });
  return posix.resolve(cwd, path);
}
