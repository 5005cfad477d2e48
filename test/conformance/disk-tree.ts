import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../../src/oci/digest.ts";
import type { TreeEntry } from "./recorded-case.ts";

/** Files and symlinks below a directory, depth first and by name; nothing when it does not exist. */
export function listTree(directory: string, below = ""): TreeEntry[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .sort()
    .flatMap((name) => describe(join(directory, name), below + name));
}

function describe(path: string, name: string): TreeEntry[] {
  const stats = lstatSync(path);
  if (stats.isDirectory()) return listTree(path, `${name}/`);
  const owner = `${stats.uid}:${stats.gid}`;
  if (stats.isSymbolicLink()) return [{ path: name, owner, target: readlinkSync(path) }];
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
  return [{ path: name, mode, owner, sha256: digestOf(readFileSync(path)) }];
}
