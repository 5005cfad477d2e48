import { statSync } from "node:fs";

/** Why the cases cannot be played on this machine; undefined when they can. */
export function environmentProblem(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root, for the owners of files";
  const { uid, gid, mode } = statSync("/tmp");
  // It is a parent of layers, so that it is in their tars.
  if (uid !== 0 || gid !== 0 || (mode & 0o7777) !== 0o1777) return "needs /tmp to be 1777 and root's";
  return undefined;
}
