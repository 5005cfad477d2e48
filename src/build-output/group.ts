import { z } from "zod";
import type { GroupElement } from "../cnb/build-metadata.ts";
import { Fault } from "../errors/fault.ts";
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

interface DetectedGroup {
  readonly group: readonly GroupElement[];
  readonly extensions: readonly GroupElement[];
}

/** @throws Fault `failed to read group file: ...`, also if the file is missing */
export async function readDetectedGroup(path: string): Promise<DetectedGroup> {
  const { group, "group-extensions": extensions } = await readDocument("group file", path, groupSchema);
  return { group, extensions };
}

/**
 * Validates the group's extensions but does not return them: an export does not use them
 * (docs/compatibility.md#buildpack-group).
 * @throws Fault `failed to read group file: ...`, also if the file is missing
 */
export async function readGroup(path: string): Promise<readonly GroupElement[]> {
  return (await readDetectedGroup(path)).group;
}

/**
 * RFC 0131 reserves `<layers>/tracing` for telemetry, so that it never becomes part of an image: with `-telemetry` no
 * buildpack may have its layers there.
 * @throws Fault with exit code 1
 */
export function refuseTracingBuildpack(group: readonly Pick<GroupElement, "id">[]): void {
  if (group.some(({ id }) => id === "tracing"))
    throw new Fault("EXPORT_INPUT_TRACING", "buildpack 'tracing' has its layers where -telemetry writes");
}
