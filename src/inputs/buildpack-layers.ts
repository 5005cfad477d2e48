import type { Dirent } from "node:fs";
import { opendir, readdir, readFile } from "node:fs/promises";
import type { GroupElement } from "../cnb/build-metadata.ts";
import { messageOf, withContext } from "../faults/fault.ts";
import { isShortage } from "../faults/shortage.ts";
import { isNotExist, pathFault } from "../faults/system-error.ts";
import type { Logger } from "../flow/logger.ts";
import { type ByteString, fromByteString, fsPath, joinPath, toByteString } from "../oci/byte-string.ts";
import { buildpackDirectory } from "./buildpack-directory.ts";
import type { BuildpackLayer, BuildpackLayers } from "./export-inputs.ts";
import { readLayerToml } from "./layer-toml.ts";
import { readStore } from "./store.ts";

/**
 * Reads the directory `<layers>/<bp>` and its TOML files (docs/compatibility.md#buildpack-layers). A missing directory
 * is an empty one. Paths are byte strings; names, ids and entries are text.
 * @param layersDir absolute
 * @returns with `unreadable`, `reading layers for buildpack '<id>': ...`, if the directory or its store.toml cannot be
 *   read
 */
export async function readBuildpackLayers(layersDir: string, buildpack: GroupElement): Promise<BuildpackLayers> {
  const path = toByteString(buildpackDirectory(layersDir, buildpack.id));
  let entries: string[] = [];
  try {
    const items = await listDirectory(path);
    entries = items.map((item) => fromByteString(item.name));
    const hasStore = items.some((item) => item.name === "store.toml" && !item.isDirectory());
    const store = hasStore ? await readStore(joinPath(path, "store.toml"), buildpack.id) : undefined;
    const layers: BuildpackLayer[] = [];
    // One after the other: a build of hundreds of layers would need as many descriptors at a time.
    for (const name of layerNames(items)) layers.push(await readLayer(path, name, buildpack.id));
    return { buildpack, path, entries, layers, store, unreadable: undefined };
  } catch (error) {
    const unreadable = withContext(`reading layers for buildpack '${buildpack.id}'`, error, "EXPORT_INPUT_LAYERS");
    return { buildpack, path, entries, layers: [], store: undefined, unreadable };
  }
}

/**
 * The debug lines of reading a directory; app image and cache both log them when they reach it
 * (docs/compatibility.md#log-order).
 */
export function logBuildpackDirectory({ path, entries }: BuildpackLayers, logger: Logger): void {
  logger.debug(`Reading buildpack directory: ${fromByteString(path)}`);
  for (const entry of entries) logger.debug(`Reading buildpack directory item: ${entry}`);
}

/** Entries in byte order, with byte strings as names. */
async function listDirectory(path: ByteString): Promise<Dirent[]> {
  try {
    const items = await readdir(fsPath(path), { withFileTypes: true, encoding: "latin1" });
    return items.sort((a, b) => compareBytes(a.name, b.name));
  } catch (error) {
    if (isNotExist(error)) return [];
    throw pathFault("EXPORT_INPUT_LAYERS", "open", fromByteString(path), error);
  }
}

function compareBytes(a: ByteString, b: ByteString): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Files of a buildpack that are not about a layer. */
const NOT_LAYERS = new Set(["store", "launch", "build", ""]);

/** Real subdirectories, and stems of other entries that end in `.toml`; in byte order. */
function layerNames(items: readonly Dirent[]): ByteString[] {
  const names = new Set(items.filter((item) => item.isDirectory()).map((item) => item.name));
  for (const item of items) {
    if (item.isDirectory() || !item.name.endsWith(".toml")) continue;
    const stem = item.name.slice(0, -".toml".length);
    if (!NOT_LAYERS.has(stem)) names.add(stem);
  }
  return [...names].sort(compareBytes);
}

async function readLayer(directory: ByteString, name: ByteString, buildpackId: string): Promise<BuildpackLayer> {
  const path = joinPath(directory, name);
  const text = fromByteString(name);
  const layer = { name: text, id: `${buildpackId}:${text}`, path, hasContents: await hasContents(path) };
  try {
    const toml = await readLayerToml(`${path}.toml`);
    await checkShaFile(`${path}.sha`);
    return { ...layer, ...toml, malformed: undefined };
  } catch (error) {
    if (isShortage(error)) throw error;
    return { ...layer, build: false, launch: false, cache: false, data: null, malformed: messageOf(error) };
  }
}

/** Whatever listing it says other than "does not exist": a file counts as contents, and so does an unreadable directory. */
async function hasContents(path: ByteString): Promise<boolean> {
  try {
    const directory = await opendir(fsPath(path));
    await directory.close();
    return true;
  } catch (error) {
    if (isShortage(error)) throw pathFault("EXPORT_INPUT_LAYERS", "open", fromByteString(path), error);
    return !isNotExist(error);
  }
}

/** The SHA that a restorer wrote is replaced by the computed one, but the layer is malformed if it cannot be read. */
async function checkShaFile(path: ByteString): Promise<void> {
  try {
    await readFile(fsPath(path));
  } catch (error) {
    if (!isNotExist(error)) throw pathFault("EXPORT_INPUT_LAYERS", "read", fromByteString(path), error);
  }
}
