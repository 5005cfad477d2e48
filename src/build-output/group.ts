import { z } from "zod";
import type { GroupElement } from "../cnb/build-metadata.ts";
import { flag, readDocument, table, text } from "./toml.ts";

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
 * Reads the buildpacks of group.toml in order (docs/compatibility.md#buildpack-group). Validates its extensions but
 * does not return them: an export does not use them.
 * @throws Fault `failed to read group file: ...`, also if the file is missing
 */
export async function readGroup(path: string): Promise<readonly GroupElement[]> {
  return (await readDocument("group file", path, groupSchema)).group;
}

export async function hasDetectedExtensions(path: string): Promise<boolean> {
  return (await readDocument("group file", path, groupSchema))["group-extensions"].length > 0;
}
