import { z } from "zod";
import type { BomEntry, GroupElement } from "../cnb/build-metadata.ts";
import { toByteString } from "../oci/byte-string.ts";
import { bomEntry } from "./bom-entry.ts";
import { buildpackDirectory } from "./buildpack-directory.ts";
import { isMissingFile, readToml } from "./toml.ts";
import { table } from "./toml-schema.ts";

const buildSchema = table({ bom: z.array(bomEntry).default([]) });

/**
 * The legacy build BOM for report.toml below API 0.9: the entries of every `<layers>/<bp>/build.toml` in group order,
 * each attributed to its buildpack (docs/compatibility.md#report). A missing file has no entries.
 * @throws Fault if a file cannot be read or decoded
 */
export async function readBuildBom(layersDir: string, group: readonly GroupElement[]): Promise<readonly BomEntry[]> {
  const entries: BomEntry[] = [];
  for (const { id, version, optional } of group) {
    const path = toByteString(`${buildpackDirectory(layersDir, id)}/build.toml`);
    try {
      const { bom } = await readToml(path, buildSchema);
      entries.push(...bom.map((entry) => ({ ...entry, buildpack: { id, version, optional } })));
    } catch (error) {
      if (!isMissingFile(error)) throw error;
    }
  }
  return entries;
}
