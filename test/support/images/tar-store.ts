import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type CacheMetadata, parseCacheMetadata } from "../../../src/cnb/lifecycle-metadata.ts";
import { digestOf } from "../../../src/oci/digest.ts";

export const METADATA_FILE = "io.buildpacks.lifecycle.cache.metadata";

export interface CommittedCache {
  readonly metadata: string | undefined;
  readonly tars: readonly string[];
  /** Layers of the metadata without a tar, and tars whose contents do not match their names. */
  readonly flaws: readonly string[];
}

export function readCommitted(directory: string): CommittedCache {
  const committed = join(directory, "committed");
  if (!existsSync(committed)) return { metadata: undefined, tars: [], flaws: ["there is no committed cache"] };
  const tars = readdirSync(committed).filter((name) => name !== METADATA_FILE);
  const path = join(committed, METADATA_FILE);
  const metadata = existsSync(path) ? readFileSync(path, "utf8") : undefined;
  const missing = diffIdsOf(parseCacheMetadata(metadata)).filter((diffId) => !tars.includes(`${diffId}.tar`));
  const wrong = tars.filter((name) => `${digestOf(readFileSync(join(committed, name)))}.tar` !== name);
  return {
    metadata,
    tars,
    flaws: [...missing.map((diffId) => `${diffId} is missing`), ...wrong.map((name) => `${name} is something else`)],
  };
}

export function diffIdsOf({ sbom, buildpacks }: CacheMetadata): string[] {
  const layers = buildpacks.flatMap((buildpack) => [...buildpack.layers.values()].map(({ diffId }) => diffId));
  return [...(sbom === "" ? [] : [sbom]), ...layers];
}
