import type { ProjectMetadata } from "../cnb/project-metadata-label.ts";
import { goQuote } from "../faults/go-quote.ts";
import type { Logger } from "../flow/logger.ts";
import { readDocumentIfPresent } from "./toml.ts";
import { freeMap, table, text } from "./toml-schema.ts";

const projectSchema = table({
  source: table({ type: text, version: freeMap, metadata: freeMap }).optional(),
});

/**
 * Reads project-metadata.toml (docs/compatibility.md#missing-files). A missing file is a debug line and no source.
 * @throws Fault `failed to read project metadata file: ...`
 */
export async function readProjectMetadata(path: string, logger: Logger): Promise<ProjectMetadata> {
  const project = await readDocumentIfPresent("project metadata file", path, projectSchema);
  if (project === undefined)
    logger.debug(`No project metadata found at path ${goQuote(path)}, project metadata will not be exported`);
  return { source: project?.source };
}
