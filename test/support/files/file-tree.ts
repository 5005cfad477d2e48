import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { join } from "node:path";

/** Values to show for every file instead of the file system's. */
export interface Normalized {
  readonly uid: number;
  readonly gid: number;
  readonly mtimeMs: number;
}

/**
 * Describes a directory and everything in it, itself as ".": a line for each path with kind, mode, owner, time and
 * contents. Trees with equal descriptions are equal.
 */
export function readTree(root: string, normalized?: Normalized): Readonly<Record<string, string>> {
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
  return Object.fromEntries([".", ...paths].map((path) => [path, describe(join(root, path), normalized)]));
}

function describe(path: string, normalized: Normalized | undefined): string {
  const stats = lstatSync(path);
  const { uid, gid, mtimeMs } = normalized ?? stats;
  const mode = (stats.mode & 0o7777).toString(8);
  return `${kindOf(stats)} ${mode} ${uid}:${gid} ${new Date(mtimeMs).toISOString()} ${contentOf(path, stats)}`;
}

function kindOf(stats: Stats): string {
  return stats.isDirectory() ? "directory" : stats.isSymbolicLink() ? "link" : stats.isFile() ? "file" : "other";
}

function contentOf(path: string, stats: Stats): string {
  if (stats.isSymbolicLink()) return readlinkSync(path);
  if (!stats.isFile()) return "";
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** Regular files below a folder with a matching name, in a stable order. Skips links and what cannot be read. */
export function* filesBelow(folder: string, pattern: RegExp): Generator<string> {
  let entries: ReturnType<typeof readFolder>;
  try {
    entries = readFolder(folder);
  } catch {
    return;
  }
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(path, pattern);
    else if (entry.isFile() && pattern.test(entry.name)) yield path;
  }
}

function readFolder(folder: string) {
  return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
}
