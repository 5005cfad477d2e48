import { existsSync } from "node:fs";
import { z } from "zod";
import type { LifecycleMetadata } from "../cnb/lifecycle-metadata.ts";
import { Fault } from "../errors/fault.ts";
import { hintLine } from "../errors/printable.ts";
import { goQuote } from "../go/format.ts";
import { INTERPRETED } from "../go/json-decode.ts";
import type { Logger } from "../logger.ts";
import type { Analyzed } from "../plan/inputs.ts";
import { stackSchema } from "./run-images.ts";
import { flag, freeTable, freeValue, mapOf, readDocumentIfPresent, table, text, texts } from "./toml.ts";

const sha = table({ sha: text })
  .prefault({})
  .transform((layer) => layer.sha);

const runImage = table({ "top-layer": text, reference: text, image: text, mirrors: texts })
  .prefault({})
  .transform(({ "top-layer": topLayer, ...named }) => ({ topLayer, ...named }));

const layerRecord = table({ sha: text, metadata: freeValue, build: flag, launch: flag, cache: flag }).transform(
  ({ sha: diffId, metadata: data, build, launch, cache }) => ({ diffId, data, build, launch, cache }),
);

const buildpackRecord = table({
  key: text,
  version: text,
  layers: mapOf(layerRecord).optional(),
  store: table({ metadata: freeTable }).optional(),
}).transform(({ key, version, layers = new Map(), store }) => ({ key, version, layers, store }));

const metadataSchema = table({
  app: z.array(table({ sha: text })).default([]),
  sbom: table({ sha: text }).optional(),
  buildpacks: z.array(buildpackRecord).default([]),
  config: sha,
  launcher: sha,
  "process-types": sha,
  "run-image": runImage,
  stack: stackSchema.prefault({}),
}).transform(
  (metadata): LifecycleMetadata => ({
    app: metadata.app.map((slice) => slice.sha),
    sbom: metadata.sbom?.sha,
    buildpacks: metadata.buildpacks,
    config: metadata.config,
    launcher: metadata.launcher,
    processTypes: metadata["process-types"],
    runImage: metadata["run-image"],
    stack: metadata.stack["run-image"],
  }),
);

const analyzedSchema = table({
  image: table({ reference: text }).prefault({}),
  "run-image": table({ reference: text, image: text, extend: flag }).optional(),
  metadata: metadataSchema.prefault({}),
}).transform(
  ({ image, "run-image": analyzedRun, metadata }): Analyzed => ({
    previousImage: image.reference,
    runImage: analyzedRun,
    metadata,
  }),
);

export async function readAnalyzed(path: string, logger: Logger): Promise<Analyzed> {
  const analyzed = await readDocumentIfPresent("analyzed file", path, analyzedSchema);
  if (analyzed !== undefined) return analyzed;
  logger.warn(`No analyzed metadata found at path ${goQuote(path)}`);
  return analyzedSchema.parse({}, INTERPRETED);
}

export function analyzedRunImage({ runImage }: Analyzed, path: string): string {
  const reference = runImage?.reference ?? "";
  if (reference !== "") return reference;
  throw new Fault("EXPORT_ARGS_RUN_IMAGE", "run image not found in analyzed metadata", { hint: hintFor(path) });
}

function hintFor(path: string): string {
  if (path === "") return "Name the analyzer's analyzed.toml in -analyzed, which is empty, or leave the flag out.";
  if (existsSync(path))
    return hintLine`Run the analyzer again: ${path} must have a table [run-image] with a reference.`;
  return hintLine`Run the analyzer first: there is no ${path}. If it is elsewhere, name it in -analyzed, or its directory in -layers.`;
}
