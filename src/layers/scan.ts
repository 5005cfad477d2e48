import { type Stats, statSync } from "node:fs";
import { Fault } from "../faults/fault.ts";
import { pathFault } from "../faults/system-error.ts";
import { type ByteString, fromByteString, fsPath } from "../oci/byte-string.ts";
import type { LocalSource } from "../plan/layer-plan.ts";
import { sliceApp } from "./app-slices.ts";
import { TAR_TYPE, type TarType } from "./tar-header.ts";
import { buildTarIndex, type ScannedEntry, type TarIndex } from "./tar-index.ts";
import { type Owner, scanEntry, scanParents, type WalkedPath, walk } from "./walk.ts";

/** Paths inside the image (platform spec, launcher; contract 3.4). */
const LAUNCHER_PATH = "/cnb/lifecycle/launcher";
const PROCESS_DIR = "/cnb/process";

/**
 * Looks at a layer's source, without reading contents, and returns the index of its tar. All slices of an app directory
 * are scanned together: their indexes come in order, the rest layer last. Every other source has one.
 */
export function scanSource(source: LocalSource): TarIndex[] {
  switch (source.kind) {
    case "directory":
      return [buildTarIndex([...scanParents(source.path), ...scanTree(source.path, source)])];
    case "app-slice":
      return scanApp(source.appDir, source.slices, source);
    case "launcher":
      return [scanLauncher(source.path)];
    case "process-types":
      return [buildTarIndex(processEntries(source.types))];
  }
}

function present(entry: ScannedEntry | undefined): entry is ScannedEntry {
  return entry !== undefined;
}

function scanTree(root: ByteString, owner: Owner): ScannedEntry[] {
  const entries: ScannedEntry[] = [];
  for (const { path, stats } of walk(root)) {
    const entry = scanEntry(path, stats, owner);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

function scanApp(appDir: ByteString, slices: readonly (readonly ByteString[])[], owner: Owner): TarIndex[] {
  const parents = scanParents(appDir);
  const toEntry = ({ path, stats }: WalkedPath) => scanEntry(path, stats, owner);
  return sliceApp([...walk(appDir)], slices).map((paths) =>
    buildTarIndex(paths.length === 0 ? [] : [...parents, ...paths.map(toEntry).filter(present)]),
  );
}

function rootOwned(name: ByteString, type: TarType, rest: Partial<ScannedEntry> = {}): ScannedEntry {
  const nothing = { size: 0, linkName: "", deviceMajor: 0, deviceMinor: 0, mtimeMs: 0, inode: 0 };
  return { name, type, mode: 0o755, uid: 0, gid: 0, ...nothing, ...rest };
}

function scanLauncher(path: ByteString): TarIndex {
  const shown = fromByteString(path);
  let stats: Stats;
  try {
    stats = statSync(fsPath(path));
  } catch (error) {
    const fault = pathFault("EXPORT_LAYER_LAUNCHER", "stat", shown, error);
    throw new Fault(fault.code, `failed to stat launcher at path '${shown}': ${fault.message}`, { cause: fault });
  }
  if (stats.isDirectory())
    throw new Fault("EXPORT_LAYER_LAUNCHER", `failed to write launcher to layer: read ${shown}: is a directory`);
  if (!stats.isFile())
    throw new Fault("EXPORT_LAYER_LAUNCHER", `failed to write launcher to layer: ${shown} is not a regular file`, {
      hint: "Give the path of the launcher binary with -launcher.",
    });
  const entries = [
    rootOwned("/cnb", TAR_TYPE.directory),
    rootOwned("/cnb/lifecycle", TAR_TYPE.directory),
    rootOwned(LAUNCHER_PATH, TAR_TYPE.file, { size: stats.size, mtimeMs: stats.mtimeMs, inode: stats.ino }),
  ];
  return buildTarIndex(entries, path);
}

function processEntries(types: readonly ByteString[]): ScannedEntry[] {
  return [
    rootOwned("/cnb", TAR_TYPE.directory),
    rootOwned(PROCESS_DIR, TAR_TYPE.directory),
    ...types.map((type) => rootOwned(`${PROCESS_DIR}/${type}`, TAR_TYPE.symlink, { linkName: LAUNCHER_PATH })),
  ];
}
