import type { RunImageNames } from "../cnb/metadata.ts";
import { goQuote } from "../faults/go-quote.ts";
import type { Logger } from "../flow/logger.ts";
import { runImageNames } from "./run-image-names.ts";
import { readDocumentIfPresent } from "./toml.ts";
import { table } from "./toml-schema.ts";

const stackSchema = table({ "run-image": runImageNames.optional() });

/**
 * Reads the run image of stack.toml, used below API 0.12 (docs/compatibility.md#run-image-names). A missing file is an
 * info line and no names.
 * @throws Fault `failed to read stack file: ...`
 */
export async function readStack(path: string, logger: Logger): Promise<RunImageNames> {
  const stack = await readDocumentIfPresent("stack file", path, stackSchema);
  if (stack === undefined) logger.info(`No stack metadata found at path ${goQuote(path)}`);
  return stack?.["run-image"] ?? { image: "", mirrors: [] };
}
