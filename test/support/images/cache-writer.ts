import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VolumeCache } from "../../../src/caches/volume-cache.ts";
import type { CacheMetadata } from "../../../src/cnb/lifecycle-metadata.ts";
import { type DiffID, digestOf, parseDiffId } from "../../../src/oci/digest.ts";

/** The texts of a cache's tars by layer name. Tars to keep have the same texts as before. */
export interface CacheContents {
  readonly added: Readonly<Record<string, string>>;
  readonly kept: Readonly<Record<string, string>>;
}

export function diffIdOfText(text: string): DiffID {
  return parseDiffId(digestOf(Buffer.from(text)));
}

export async function openCache(directory: string): Promise<VolumeCache> {
  return await VolumeCache.open(directory, async (path) => parseDiffId(digestOf(readFileSync(path))));
}

export async function addText(cache: VolumeCache, text: string): Promise<void> {
  const path = join(cache.stagingDir, `${text}.tar.part`);
  writeFileSync(path, text);
  await cache.add({ path, size: text.length }, diffIdOfText(text));
}

export function metadataOf({ added, kept }: CacheContents): CacheMetadata {
  const record = (text: string) => ({
    diffId: diffIdOfText(text),
    data: null,
    build: false,
    launch: false,
    cache: true,
  });
  const layers = new Map(Object.entries({ ...kept, ...added }).map(([name, text]) => [name, record(text)]));
  return { sbom: "", buildpacks: [{ key: "b", version: "1", layers }] };
}

export async function writeCache(directory: string, contents: CacheContents): Promise<void> {
  await write(directory, contents, (cache) => cache.commit(metadataOf(contents)));
}

/** Like {@link writeCache}, for a launch cache, which has no metadata. */
export async function writeLaunchCache(directory: string, contents: CacheContents): Promise<void> {
  await write(directory, contents, (cache) => cache.commit());
}

async function write(
  directory: string,
  { kept, added }: CacheContents,
  commit: (cache: VolumeCache) => Promise<void>,
): Promise<void> {
  const cache = await openCache(directory);
  try {
    for (const text of Object.values(kept)) cache.keep(diffIdOfText(text));
    for (const text of Object.values(added)) await addText(cache, text);
    await commit(cache);
  } finally {
    await cache.close();
  }
}
