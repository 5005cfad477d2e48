import type { Dirent } from "node:fs";
import { opendir, readdir } from "node:fs/promises";
import { posix } from "node:path";
import { z } from "zod";
import type { GroupElement } from "../cnb/build-metadata.ts";
import type { FreeValue } from "../cnb/lifecycle-metadata.ts";
import { Fault, messageOf, withContext } from "../errors/fault.ts";
import { isShortage } from "../errors/shortage.ts";
import { type ByteString, fromByteString, fsPath, joinPath, toByteString } from "../go/byte-string.ts";
import { isNotExist, pathFault } from "../go/errno.ts";
import { goQuote } from "../go/format.ts";
import { isTable } from "../go/toml-decode.ts";
import type { Logger } from "../logger.ts";
import type { BuildpackLayer, BuildpackLayers } from "../plan/inputs.ts";
import { flag, freeTable, freeValue, isMissingFile, openBuildpackFile, readToml, table } from "./toml.ts";

export function escapedId(id: string): string {
  return id.replaceAll("/", "_");
}

export function buildpackDirectory(layersDir: string, id: string): string {
  return posix.join(layersDir, escapedId(id));
}

const storeSchema = table({ metadata: freeTable });

async function readStore(path: ByteString, buildpackId: string): Promise<BuildpackLayers["store"]> {
  try {
    return await readToml(path, storeSchema, openBuildpackFile);
  } catch (error) {
    throw withContext(`failed decoding store.toml for buildpack ${goQuote(buildpackId)}`, error);
  }
}

export interface LayerToml {
  readonly data: FreeValue;
  readonly build: boolean;
  readonly launch: boolean;
  readonly cache: boolean;
}

const NOTHING: LayerToml = { data: null, build: false, launch: false, cache: false };

const FLAGS_ON_TOP = "flags on top";

function markFlagsOnTop(document: unknown): unknown {
  if (!isTable(document)) return document;
  return { ...document, [FLAGS_ON_TOP]: ["build", "launch", "cache"].some((name) => Object.hasOwn(document, name)) };
}

const layerSchema = z.preprocess(
  markFlagsOnTop,
  table({
    [FLAGS_ON_TOP]: flag,
    metadata: freeValue,
    types: table({ build: flag, launch: flag, cache: flag }).optional(),
  }),
);

export async function readLayerToml(path: ByteString): Promise<LayerToml> {
  try {
    const layer = await readToml(path, layerSchema, openBuildpackFile);
    if (!layer[FLAGS_ON_TOP]) return { ...NOTHING, ...layer.types, data: layer.metadata };
  } catch (error) {
    if (isMissingFile(error)) return NOTHING;
    throw error;
  }
  throw new Fault(
    "EXPORT_INPUT_TOML",
    `the launch, cache and build flags should be in the types table of ${fromByteString(path)}`,
  );
}

/**
 * Reads the directory `<layers>/<bp>` and its TOML files (docs/compatibility.md#buildpack-layers). A missing directory
 * counts as empty. Paths are byte strings; names, ids and entries are text.
 * @param layersDir absolute
 * @returns with `unreadable`, `reading layers for buildpack '<id>': ...`, if the directory or its store.toml cannot be
 * read
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
    // Sequentially: hundreds of layers would need as many descriptors at a time.
    for (const name of layerNames(items)) layers.push(await readLayer(path, name, buildpack.id));
    return { buildpack, path, entries, layers, store, unreadable: undefined };
  } catch (error) {
    const unreadable = withContext(`reading layers for buildpack '${buildpack.id}'`, error, "EXPORT_INPUT_READ");
    return { buildpack, path, entries, layers: [], store: undefined, unreadable };
  }
}

export function logBuildpackDirectory({ path, entries }: BuildpackLayers, logger: Logger): void {
  logger.debug(`Reading buildpack directory: ${fromByteString(path)}`);
  for (const entry of entries) logger.debug(`Reading buildpack directory item: ${entry}`);
}

async function listDirectory(path: ByteString): Promise<Dirent[]> {
  try {
    const items = await readdir(fsPath(path), { withFileTypes: true, encoding: "latin1" });
    return items.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (isNotExist(error)) return [];
    throw pathFault("EXPORT_INPUT_READ", "open", fromByteString(path), error);
  }
}

const NOT_LAYERS = new Set(["store", "launch", "build", ""]);

function layerNames(items: readonly Dirent[]): ByteString[] {
  const names = new Set(items.filter((item) => item.isDirectory()).map((item) => item.name));
  for (const item of items) {
    if (item.isDirectory() || !item.name.endsWith(".toml")) continue;
    const stem = item.name.slice(0, -".toml".length);
    if (!NOT_LAYERS.has(stem)) names.add(stem);
  }
  return [...names].sort();
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

/** True unless listing fails with "does not exist": a file counts as contents, and so does an unreadable directory. */
async function hasContents(path: ByteString): Promise<boolean> {
  try {
    const directory = await opendir(fsPath(path));
    await directory.close();
    return true;
  } catch (error) {
    if (isShortage(error)) throw pathFault("EXPORT_INPUT_READ", "open", fromByteString(path), error);
    return !isNotExist(error);
  }
}

async function checkShaFile(path: ByteString): Promise<void> {
  try {
    await using file = await openBuildpackFile(path);
    await file.readFile();
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (!isNotExist(error)) throw pathFault("EXPORT_INPUT_READ", "read", fromByteString(path), error);
  }
}
