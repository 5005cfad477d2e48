import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ROOT } from "../../scripts/script.ts";

/** A file of a case or of a run image's layer. Bytes that are no text are in base64. */
const fileSchema = z.object({
  /** Relative to the case's root, or absolute. */
  path: z.string().optional(),
  pathBase64: z.base64().optional(),
  type: z.enum(["file", "dir", "symlink", "fifo", "hardlink", "char", "block", "socket"]).default("file"),
  /** Octal; by default 0644 of files and 0755 of directories. */
  mode: z.string().optional(),
  uid: z.number().default(1000),
  gid: z.number().default(1000),
  content: z.string().optional(),
  base64: z.base64().optional(),
  repeat: z.object({ text: z.string(), count: z.number() }).optional(),
  /** Bytes that the file is extended to, by a hole. */
  size: z.number().optional(),
  /** Seconds. */
  mtime: z.number().optional(),
  /** Of a symlink: its text. Of a hardlink: a path relative to the case's root. */
  target: z.string().optional(),
  targetBase64: z.base64().optional(),
  major: z.number().optional(),
  minor: z.number().optional(),
});

const runImageSchema = z.object({
  mediaTypes: z.enum(["docker", "oci"]),
  config: z.record(z.string(), z.unknown()),
  layers: z.array(z.array(fileSchema)),
  /** Wrapped in an index of two platforms. */
  index: z.boolean().default(false),
  omitManifestMediaType: z.boolean().default(false),
  configDescriptor: z.record(z.string(), z.unknown()).default({}),
  layerDescriptors: z.array(z.record(z.string(), z.unknown()).nullable()).default([]),
  manifestAnnotations: z.record(z.string(), z.string()).optional(),
  manifestExtra: z.record(z.string(), z.unknown()).default({}),
});

const FIXTURES = join(ROOT, "fixtures", "conformance");
const CASES = join(FIXTURES, "cases");
const RUN_IMAGES: unknown = JSON.parse(readFileSync(join(FIXTURES, "run-images.json"), "utf8"));

function namedRunImage(name: string): RunImageSpec {
  return z.record(z.string(), runImageSchema).parse(RUN_IMAGES)[name] ?? z.never().parse(name);
}

const invocationShape = {
  program: z.enum(["exporter", "lifecycle"]),
  platformApi: z.string().nullable(),
  env: z.record(z.string(), z.string()),
  args: z.array(z.string()),
  /** Relative to the case's root. */
  reportPath: z.string(),
  files: z.array(fileSchema),
};

const caseSchema = z.object({
  name: z.string(),
  note: z.string().optional(),
  program: invocationShape.program.default("exporter"),
  platformApi: invocationShape.platformApi.default(null),
  env: invocationShape.env.default({}),
  args: invocationShape.args.default([]),
  reportPath: invocationShape.reportPath.default("layers/report.toml"),
  files: invocationShape.files.default([]),
  /** App and cache image are logged side by side, so that only the set of lines is known. */
  unordered: z.boolean().default(false),
  /** Its description, or the name of one of those that many cases have. */
  runImage: z.union([z.string().transform(namedRunImage), runImageSchema]).optional(),
  /** The run image is a layout, and in no registry; a sparse one has no layers. */
  runLayout: z.enum(["complete", "sparse"]).optional(),
  /** Differences of the build before this one. */
  previous: z
    .object(invocationShape)
    .partial()
    // Members that are there and undefined would hide those of the case.
    .transform((changes) => Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)))
    .optional(),
});

const imageSchema = z.object({
  manifestContentType: z.string(),
  manifest: z.string(),
  config: z.string(),
  diffIDs: z.array(z.string()),
});

const layoutSchema = z.object({
  index: z.string(),
  ociLayout: z.string(),
  manifest: z.string(),
  config: z.string(),
  diffIDs: z.array(z.string()),
  /** Mode and name of every blob. */
  files: z.array(z.string()),
});

const treeEntrySchema = z.object({
  path: z.string(),
  owner: z.string(),
  mode: z.string().optional(),
  sha256: z.string().optional(),
  target: z.string().optional(),
});

const outcomeSchema = z.object({
  exitCode: z.number().nullable(),
  /** Lines, all of which had a newline. */
  stdout: z.array(z.string()),
  stderr: z.array(z.string()),
  report: z.string().nullable(),
  /** `{registry}/<repository>:<tag>` to the placeholder of a digest. */
  registry: z.record(z.string(), z.string()),
  /** By the placeholder of their digest. */
  images: z.record(z.string(), imageSchema),
  /** By their path below the case's `layouts`. */
  layouts: z.record(z.string(), layoutSchema).optional(),
  cacheDir: z.array(treeEntrySchema).optional(),
  cacheDirMetadata: z.string().optional(),
  sbomTree: z.array(treeEntrySchema).optional(),
});

const recordedSchema = z.object({
  case: caseSchema,
  facts: z.object({
    /** analyzed.toml of the second build, as the reference's analyzer wrote it after the first. */
    analyzedToml: z.string().optional(),
    runImage: z.object({ digest: z.string() }).optional(),
    previous: outcomeSchema.optional(),
    run: outcomeSchema,
    previousCacheManifestStillThere: z.boolean().optional(),
  }),
});

/** A case as it is written down, with defaults left out. */
export type CaseInput = z.input<typeof caseSchema>;
export type FileInput = z.input<typeof fileSchema>;
export type RunImageInput = z.input<typeof runImageSchema>;
export type CaseFile = z.output<typeof fileSchema>;
export type RunImageSpec = z.output<typeof runImageSchema>;
export type ConformanceCase = z.output<typeof caseSchema>;
/** Everything that a run of the command leaves behind, with placeholders for parts that differ from run to run. */
export type Outcome = z.output<typeof outcomeSchema>;
export type LayoutTexts = z.output<typeof layoutSchema>;
export type TreeEntry = z.output<typeof treeEntrySchema>;

/** A case with the facts recorded from the reference. */
export type RecordedCase = z.output<typeof recordedSchema>;

/** Fills in a case's defaults. */
export function completeCase(input: CaseInput): ConformanceCase {
  return caseSchema.parse(input);
}

/** All recorded cases, by name. */
export function recordedCases(): RecordedCase[] {
  const names = readdirSync(CASES).filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => recordedSchema.parse(JSON.parse(readFileSync(join(CASES, name), "utf8"))));
}
