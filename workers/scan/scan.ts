import { type Stats, statSync } from "node:fs";
import { join } from "node:path/posix";
import { Fault } from "../../src/errors/fault.ts";
import { type ByteString, fromByteString, fsPath } from "../../src/go/byte-string.ts";
import { isSystemError, pathFault } from "../../src/go/errno.ts";
import { TAR_TYPE, type TarType } from "../../src/go/tar-header.ts";
import type { ScanTask, TarIndex } from "../protocol.ts";
import { AppSlices, type LayersOf } from "./app-slices.ts";
import { buildTarIndex, type ScannedEntry, TarIndexBuilder } from "./tar-index.ts";
import { lstat, type Owner, scanEntry, scanParents, type WalkOrder, walk } from "./walk.ts";

type Source = ScanTask["source"];
type AppSource = Extract<Source, { readonly kind: "app-slice" }>;

const LAUNCHER_PATH = "/cnb/lifecycle/launcher";
const PROCESS_DIR = "/cnb/process";

/**
 * Scans a layer's source without reading contents. Returns the index of its tar; for an app directory, whose slices are
 * scanned together, the indexes of all slices in order, the rest layer last.
 * @throws Fault; RangeError as soon as a directory is found to have more than `maxEntries` entries
 */
export function scanSource(source: Source, maxEntries?: number): TarIndex[] {
  switch (source.kind) {
    case "directory":
      return [buildTarIndex(treeEntries(source.path, source, "walk", maxEntries))];
    case "app-slice":
      return scanApp(source, maxEntries);
    case "launcher":
      return [scanLauncher(source.path)];
    case "process-types":
      return [buildTarIndex(processEntries(source.types))];
  }
}

export interface TreeObserver {
  addParent(parent: ScannedEntry): void;
  add(path: ByteString, linkName: ByteString): void;
}

export function* treeEntries(
  root: ByteString,
  owner: Owner,
  order: WalkOrder,
  maxEntries: number | undefined,
  observer?: TreeObserver,
): Generator<ScannedEntry> {
  for (const parent of scanParents(root)) {
    observer?.addParent(parent);
    yield parent;
  }
  for (const { path, stats } of walk(root, order, maxEntries)) {
    const entry = scanEntry(path, stats, owner);
    observer?.add(path, entry?.linkName ?? "");
    if (entry !== undefined) yield entry;
  }
}

function scanApp(source: AppSource, maxEntries: number | undefined): TarIndex[] {
  try {
    // Unlike a layer's directory, the app is reported by its own name if its parents are missing, too.
    lstat(source.appDir, false);
    if (source.slices.length > 0) return scanSlices(source, maxEntries);
    return [buildTarIndex(treeEntries(source.appDir, source, "path", maxEntries))];
  } catch (error) {
    const isRead = error instanceof Fault && error.code === "EXPORT_LAYER_READ";
    if (!isRead || !isSystemError(error.cause, "ENOENT", "ENOTDIR")) throw error;
    const { code, message } = error;
    throw new Fault(code, message, { hint: "Give the directory of the app with -app (CNB_APP_DIR).", cause: error });
  }
}

function scanSlices(source: AppSource, maxEntries: number | undefined): TarIndex[] {
  const { appDir, slices } = source;
  const parents = scanParents(appDir);
  const division = new AppSlices(slices);
  const all = new TarIndexBuilder();
  const numbers: number[] = [];
  const skip = appDir.endsWith("/") ? appDir.length : appDir.length + 1;
  for (const { path, stats, number, parent } of walk(appDir, "path", maxEntries)) {
    division.add(path.slice(skip), parent);
    const entry = scanEntry(path, stats, source);
    if (entry === undefined) continue;
    numbers.push(number);
    all.add(entry);
  }
  return distribute(all, numbers, division.divide(), { parents, count: slices.length + 1 });
}

function distribute(
  all: TarIndexBuilder,
  numbers: readonly number[],
  layersOf: LayersOf,
  { parents, count }: { readonly parents: readonly ScannedEntry[]; readonly count: number },
): TarIndex[] {
  const layers = Array.from({ length: count }, () => new TarIndexBuilder());
  let at = 0;
  for (const entry of all.drain())
    for (const layer of layersOf(numbers[at++] as number)) addEntry(layers[layer] as TarIndexBuilder, parents, entry);
  return layers.map((layer) => layer.build());
}

function addEntry(layer: TarIndexBuilder, parents: readonly ScannedEntry[], entry: ScannedEntry): void {
  if (layer.isEmpty) for (const parent of parents) layer.add(parent);
  layer.add(entry);
}

function rootOwned(name: ByteString, type: TarType, rest: Partial<ScannedEntry> = {}): ScannedEntry {
  const nothing = { size: 0, linkName: "", deviceMajor: 0, deviceMinor: 0, mtimeMs: 0, ctimeMs: 0 };
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
    throw new Fault("EXPORT_LAYER_LAUNCHER", `failed to write launcher to layer: ${shown} is not a regular file`);
  const entries = [
    rootOwned("/cnb", TAR_TYPE.directory),
    rootOwned("/cnb/lifecycle", TAR_TYPE.directory),
    rootOwned(LAUNCHER_PATH, TAR_TYPE.file, { size: stats.size, mtimeMs: stats.mtimeMs, ctimeMs: stats.ctimeMs }),
  ];
  return buildTarIndex(entries, path);
}

function processEntries(types: readonly ByteString[]): ScannedEntry[] {
  return [
    rootOwned("/cnb", TAR_TYPE.directory),
    rootOwned(PROCESS_DIR, TAR_TYPE.directory),
    ...types.map((type) => rootOwned(join(PROCESS_DIR, type), TAR_TYPE.symlink, { linkName: LAUNCHER_PATH })),
  ];
}
