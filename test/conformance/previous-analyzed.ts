import { z } from "zod";
import type { Outcome } from "./recorded-case.ts";

const shaSchema = z.object({ sha: z.string() });

/** Of the label only what an analyzer passes on and an exporter looks at. */
const metadataSchema = z.object({
  app: z.array(shaSchema).nullable(),
  sbom: shaSchema.optional(),
  buildpacks: z
    .array(z.object({ key: z.string(), version: z.string(), layers: z.record(z.string(), shaSchema) }))
    .nullable(),
  config: shaSchema,
  launcher: shaSchema,
  "process-types": shaSchema,
});
const configSchema = z.object({ config: z.object({ Labels: z.record(z.string(), z.string()) }) });

/** Contents of analyzed.toml about the previous build's image; empty texts when that build made none. */
export interface PreviousAnalyzed {
  /** The table `image`. */
  readonly image: string;
  /** The table `metadata`. */
  readonly metadata: string;
}

export const NOTHING_ANALYZED: PreviousAnalyzed = { image: "", metadata: "" };

/**
 * Analyzes what a build has left; its texts have placeholders.
 * @param layouts absolute path of the directory of layouts
 */
export function analyzePrevious({ images, layouts = {} }: Outcome, layoutsDir: string): PreviousAnalyzed {
  const image = images["{previous.appDigest}"];
  if (image !== undefined) return describe("{registry}/app@{previous.appDigest}", image.config);
  const [layout] = Object.entries(layouts);
  if (layout === undefined) return NOTHING_ANALYZED;
  return describe(`${layoutsDir}/${layout[0]}@sha256:${"0".repeat(64)}`, layout[1].config);
}

function describe(reference: string, config: string): PreviousAnalyzed {
  const { Labels } = configSchema.parse(JSON.parse(config)).config;
  const image = `[image]\nreference = ${JSON.stringify(reference)}\n`;
  const label: unknown = JSON.parse(Labels["io.buildpacks.lifecycle.metadata"] ?? "");
  // A build may have put a label of its own in the place of the lifecycle's.
  const parsed = metadataSchema.safeParse(label);
  return { image, metadata: parsed.success ? `[metadata]\n${keyValues(parsed.data)}` : "" };
}

function keyValues(table: object): string {
  return Object.entries(table)
    .map(([key, value]) => `${key} = ${inToml(value)}\n`)
    .join("");
}

/** A value on one line. TOML has no null, and needs no key for it. */
function inToml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inToml).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? []).replaceAll("\u007f", "\\u007f");
  const pairs = Object.entries(value).filter(([, member]) => member !== null);
  return `{ ${pairs.map(([key, member]) => `${inToml(key)} = ${inToml(member)}`).join(", ")} }`;
}
