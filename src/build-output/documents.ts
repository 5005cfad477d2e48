import { checkBuildpackApis, gates } from "../cnb/api.ts";
import type { BomEntry, BuildMetadata, GroupElement } from "../cnb/build-metadata.ts";
import type { RunImageNames } from "../cnb/lifecycle-metadata.ts";
import type { ProjectMetadata } from "../cnb/project-metadata.ts";
import { goQuote } from "../go/format.ts";
import type { Logger } from "../logger.ts";
import type { BuildpackLayers, ResolvedInputs } from "../plan/inputs.ts";
import { readAnalyzed } from "./analyzed.ts";
import { readBuildpackLayers } from "./buildpack-layers.ts";
import { readGroup } from "./group.ts";
import { readBuildBom, readBuildMetadata } from "./metadata.ts";
import { chooseRunImage, readRun, readStack } from "./run-images.ts";
import { freeMap, readDocumentIfPresent, table, text } from "./toml.ts";

const projectSchema = table({
  source: table({ type: text, version: freeMap, metadata: freeMap }).optional(),
});

export async function readProjectMetadata(path: string, logger: Logger): Promise<ProjectMetadata> {
  const project = await readDocumentIfPresent("project metadata file", path, projectSchema);
  if (project === undefined)
    logger.debug(`No project metadata found at path ${goQuote(path)}, project metadata will not be exported`);
  return { source: project?.source };
}

/**
 * The documents that an export reads after its arguments are resolved, each once and on demand, because log lines and
 * the first error depend on the order (docs/compatibility.md#order-of-operations, docs/compatibility.md#log-order).
 * Listed in the reference's order. Faults carry an exit code only where docs/compatibility.md states one; otherwise the
 * wrapping code decides.
 */
export interface ExportDocuments {
  group(): Promise<readonly GroupElement[]>;
  projectMetadata(logger: Logger): Promise<ProjectMetadata>;
  runImage(logger: Logger): Promise<RunImageNames>;
  buildMetadata(): Promise<BuildMetadata>;
  buildpackLayers(buildpack: GroupElement): Promise<BuildpackLayers>;
  buildBom(group: readonly GroupElement[]): Promise<readonly BomEntry[]>;
}

export function exportDocuments({ settings, group }: Pick<ResolvedInputs, "settings" | "group">): ExportDocuments {
  let buildMetadata: Promise<BuildMetadata> | undefined;
  const readMetadataOnce = () => {
    buildMetadata ??= readBuildMetadata(settings.layersDir, settings.platformApi);
    return buildMetadata;
  };
  return {
    group: async () => {
      const elements = group ?? (await readGroup(settings.groupPath));
      checkBuildpackApis(elements);
      return elements;
    },
    projectMetadata: (logger) => readProjectMetadata(settings.projectMetadataPath, logger),
    runImage: async (logger) => {
      if (!gates(settings.platformApi).readsRunToml) return readStack(settings.stackPath, logger);
      const images = await readRun(settings.runPath, logger);
      // Only for this, the reference reads analyzed.toml once more (docs/compatibility.md#run-image-names).
      const analyzed = images.length === 0 ? undefined : await readAnalyzed(settings.analyzedPath, logger);
      return chooseRunImage(images, analyzed?.runImage?.image ?? "", readMetadataOnce);
    },
    buildMetadata: readMetadataOnce,
    buildpackLayers: (buildpack) => readBuildpackLayers(settings.layersDir, buildpack),
    buildBom: async (group) => (gates(settings.platformApi).omitsBom ? [] : readBuildBom(settings.layersDir, group)),
  };
}
