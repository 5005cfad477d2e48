import { z } from "zod";
import type { GroupElement } from "../cnb/build-metadata.ts";
import { groupElement } from "./group-element.ts";
import { readDocument } from "./toml.ts";
import { table } from "./toml-schema.ts";

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
