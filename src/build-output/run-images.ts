import { z } from "zod";
import type { BuildMetadata } from "../cnb/build-metadata.ts";
import { NO_NAMES, type RunImageNames } from "../cnb/lifecycle-metadata.ts";
import { goQuote } from "../go/format.ts";
import type { Logger } from "../logger.ts";
import { parseReference } from "../oci/reference.ts";
import { readDocumentIfPresent, table, text, texts } from "./toml.ts";

const runImageNames = table({ image: text, mirrors: texts });

const runSchema = table({ images: z.array(runImageNames).default([]) });

export async function readRun(path: string, logger: Logger): Promise<readonly RunImageNames[]> {
  const run = await readDocumentIfPresent("run file", path, runSchema);
  if (run === undefined) logger.info(`No run metadata found at path ${goQuote(path)}`);
  return run?.images ?? [];
}

export const stackSchema = table({ "run-image": runImageNames.prefault({}) });

export async function readStack(path: string, logger: Logger): Promise<RunImageNames> {
  const stack = await readDocumentIfPresent("stack file", path, stackSchema);
  if (stack === undefined) logger.info(`No stack metadata found at path ${goQuote(path)}`);
  return stack?.["run-image"] ?? NO_NAMES;
}

/**
 * Chooses the run image's names for the metadata label from run.toml, from API 0.12 on
 * (docs/compatibility.md#run-image-names).
 * @param analyzedImage `run-image.image` of analyzed.toml, "" if absent
 * @param readBuildMetadata called only if run.toml does not have that image
 */
export async function chooseRunImage(
  images: readonly RunImageNames[],
  analyzedImage: string,
  readBuildMetadata: () => Promise<BuildMetadata>,
): Promise<RunImageNames> {
  const [first] = images;
  if (first === undefined) return NO_NAMES;
  const wanted = comparableName(analyzedImage);
  const isWanted = (name: string) => comparableName(name) === wanted;
  const found = images.find(({ image, mirrors }) => isWanted(image) || mirrors.some(isWanted));
  if (found !== undefined) return found;
  const { extensions } = await readBuildMetadata();
  // An extension may have switched the run image, so the first one of run.toml may not be the one in use.
  return extensions !== null && extensions.length > 0 ? { image: analyzedImage, mirrors: [] } : first;
}

function comparableName(name: string): string {
  const [withoutDigest = ""] = name.includes("@sha256:") ? name.split("@") : [name];
  try {
    return parseReference(withoutDigest).name;
  } catch {
    return name;
  }
}
