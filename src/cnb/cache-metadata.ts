import { z } from "zod";
import { goJson, goStruct } from "../oci/go-json.ts";
import { buildpackRecordsJson, shaJson } from "./layer-record-json.ts";
import type { BuildpackRecord, CacheMetadata } from "./metadata.ts";

/** What a cache that says nothing, or nothing readable, is taken for. */
export const EMPTY_CACHE_METADATA: CacheMetadata = { sbom: "", buildpacks: [] };

/**
 * The metadata of a cache image's label and, with a line feed added, of a volume cache's file, byte-identical to the
 * reference's (docs/compatibility.md#cache-metadata).
 * @throws Fault for layer data that JSON cannot hold
 */
export function cacheMetadataJson(metadata: CacheMetadata): string {
  return goJson(goStruct({ sbom: shaJson(metadata.sbom), buildpacks: buildpackRecordsJson(metadata.buildpacks) }));
}

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

const layerSchema = z
  .object({ sha: text, data: z.json().default(null), build: flag, launch: flag, cache: flag })
  .transform(({ sha, ...layer }) => ({ diffId: sha, ...layer }));

const buildpackSchema = z
  .object({ key: text, version: text, layers: z.record(z.string(), layerSchema).nullish() })
  .transform(
    ({ key, version, layers }): BuildpackRecord => ({ key, version, layers: new Map(Object.entries(layers ?? {})) }),
  );

const cacheMetadataSchema = z
  .object({ sbom: z.object({ sha: text }).nullish(), buildpacks: z.array(buildpackSchema).nullish() })
  .transform(({ sbom, buildpacks }): CacheMetadata => ({ sbom: sbom?.sha ?? "", buildpacks: buildpacks ?? [] }));

/**
 * Reads the metadata of a previous cache; metadata that cannot be decoded counts as empty
 * (docs/compatibility.md#cache-metadata).
 */
export function parseCacheMetadata(json: string | undefined): CacheMetadata {
  if (json === undefined) return EMPTY_CACHE_METADATA;
  try {
    return cacheMetadataSchema.safeParse(JSON.parse(json)).data ?? EMPTY_CACHE_METADATA;
  } catch {
    return EMPTY_CACHE_METADATA;
  }
}
