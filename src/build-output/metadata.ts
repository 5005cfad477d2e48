import { posix } from "node:path";
import { z } from "zod";
import { gates, type PlatformApi } from "../cnb/api.ts";
import type { BomEntry, BuildMetadata, GroupElement, Process } from "../cnb/build-metadata.ts";
import { toByteString } from "../go/byte-string.ts";
import { goValue } from "../go/format.ts";
import { buildpackDirectory } from "./buildpack-layers.ts";
import { groupElement } from "./group.ts";
import {
  flag,
  freeTable,
  goTypeOf,
  isMissingFile,
  openBuildpackFile,
  readDocument,
  readToml,
  table,
  text,
  texts,
} from "./toml.ts";

const bomEntry = table({
  name: text,
  version: text,
  metadata: freeTable,
  buildpack: groupElement.optional(),
}).transform(
  ({ name, version, metadata, buildpack }): BomEntry => ({
    name,
    version,
    metadata,
    buildpack: {
      id: buildpack?.id ?? "",
      version: buildpack?.version ?? "",
      optional: buildpack?.optional ?? false,
    },
  }),
);

const buildSchema = table({ bom: z.array(bomEntry).default([]) });

/**
 * The legacy build BOM for report.toml below API 0.9: the entries of every `<layers>/<bp>/build.toml` in group order,
 * each attributed to its buildpack (docs/compatibility.md#report). A missing file has no entries.
 * @throws Fault if a file cannot be read or decoded
 */
export async function readBuildBom(layersDir: string, group: readonly GroupElement[]): Promise<readonly BomEntry[]> {
  const entries: BomEntry[] = [];
  for (const { id, version, extension, optional } of group) {
    const path = toByteString(`${buildpackDirectory(layersDir, id)}/build.toml`);
    try {
      const { bom } = await readToml(path, buildSchema, openBuildpackFile);
      entries.push(...bom.map((entry) => ({ ...entry, buildpack: { id, version, extension, optional } })));
    } catch (error) {
      if (!isMissingFile(error)) throw error;
    }
  }
  return entries;
}

const command = z
  .unknown()
  .transform((value, context): readonly string[] => {
    if (typeof value === "string") return [value];
    const type = goTypeOf(value);
    // An array of tables has another type in Go.
    if (Array.isArray(value) && type === "[]any") return value.map((item) => goValue(item));
    const printed = type.replace(/any$/, "interface {}");
    context.addIssue({ code: "custom", message: `unknown command type ${printed} with data ${goValue(value)}` });
    return z.NEVER;
  })
  .optional();

const process = table({
  type: text,
  command,
  args: z.array(z.string()).nullable().default(null),
  direct: flag,
  default: flag,
  "buildpack-id": text,
  "working-dir": text,
  "exec-env": texts,
}).transform(
  (process): Process => ({
    type: process.type,
    command: process.command ?? null,
    args: process.args,
    direct: process.direct,
    default: process.default,
    buildpackId: process["buildpack-id"],
    workingDir: process["working-dir"],
    execEnv: process["exec-env"],
  }),
);

const metadataSchema = table({
  bom: z.array(bomEntry).nullable().default(null),
  buildpacks: z.array(groupElement).nullable().default(null),
  extensions: z.array(groupElement).nullable().default(null),
  labels: z.array(table({ key: text, value: text })).default([]),
  processes: z.array(process).nullable().default(null),
  slices: z.array(table({ paths: texts })).default([]),
  "buildpack-default-process-type": text,
});

/**
 * Unlike most documents, this one must exist (docs/compatibility.md#build-metadata).
 * @throws Fault `failed to read build metadata file: ...`
 */
export async function readBuildMetadata(layersDir: string, api: PlatformApi): Promise<BuildMetadata> {
  const path = posix.join(layersDir, "config", "metadata.toml");
  const { "buildpack-default-process-type": defaultProcessType, ...metadata } = await readDocument(
    "build metadata file",
    path,
    metadataSchema,
    openBuildpackFile,
  );
  const processes = gates(api).hasCommandArray ? metadata.processes : (metadata.processes?.map(withOneCommand) ?? null);
  return { ...metadata, processes, defaultProcessType };
}

function withOneCommand(process: Process): Process {
  const [first, ...others] = process.command ?? [];
  if (first === undefined) return process;
  return { ...process, command: [first], args: [...others, ...(process.args ?? [])] };
}
