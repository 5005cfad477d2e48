import { z } from "zod";
import type { GroupElement } from "../cnb/build-metadata.ts";
import { flag, readDocument, table, text } from "./toml.ts";

/**
 * An element of group.toml, and of metadata.toml's `buildpacks` and `extensions`
 * (docs/compatibility.md#buildpack-group, docs/compatibility.md#build-metadata).
 */
export const groupElement = table({
  id: text,
  version: text,
  api: text,
  homepage: text,
  optional: flag,
  extension: flag,
});

const groupSchema = table({
  group: z.array(groupElement).default([]),
  "group-extensions": z.array(groupElement).default([]),
});

/**
 * Reads the buildpacks of group.toml in order (docs/compatibility.md#buildpack-group). Its extensions are validated and
 * not returned: an export does not use them.
 * @throws Fault `failed to read group file: ...`, also if the file is missing
 */
export async function readGroup(path: string): Promise<readonly GroupElement[]> {
  return (await readDocument("group file", path, groupSchema)).group;
}

/**
 * Whether image extensions were detected.
 * @throws Fault `failed to read group file: ...`, also when there is no such file
 */
export async function hasDetectedExtensions(path: string): Promise<boolean> {
  return (await readDocument("group file", path, groupSchema))["group-extensions"].length > 0;
}
