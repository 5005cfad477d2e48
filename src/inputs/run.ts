import { z } from "zod";
import type { RunImageNames } from "../cnb/metadata.ts";
import { goQuote } from "../faults/go-quote.ts";
import type { Logger } from "../flow/logger.ts";
import { runImageNames } from "./run-image-names.ts";
import { readDocumentIfPresent } from "./toml.ts";
import { table } from "./toml-schema.ts";

const runSchema = table({ images: z.array(runImageNames).default([]) });

/**
 * Reads the run images of run.toml, used from API 0.12 on (docs/compatibility.md#run-image-names). A missing file is an
 * info line and no images.
 * @throws Fault `failed to read run file: ...`
 */
export async function readRun(path: string, logger: Logger): Promise<readonly RunImageNames[]> {
  const run = await readDocumentIfPresent("run file", path, runSchema);
  if (run === undefined) logger.info(`No run metadata found at path ${goQuote(path)}`);
  return run?.images ?? [];
}
