import type { Logger } from "../flow/logger.ts";
import { readAnalyzed } from "./analyzed.ts";
import { analyzedRunImage } from "./analyzed-run-image.ts";
import type { Analyzed, ExportSettings } from "./export-inputs.ts";
import type { ResolvedInputs } from "./resolve-settings.ts";

/**
 * What the export takes over from the phases before it: analyzed.toml, and with it the run image.
 *
 * As in the reference the app is built upon the run image by the name that it was chosen by, while the exporter takes the
 * digest that was analyzed (contract 13). The name is in analyzed.toml from API 0.12 on; below it is known only if the
 * user gave it, and else the digest is taken. A layout has no names.
 * @throws Fault when analyzed.toml cannot be read or has no run image
 */
export async function readCreatedInputs(settings: ExportSettings, logger: Logger): Promise<ResolvedInputs> {
  const analyzed = await readAnalyzed(settings.analyzedPath, logger);
  return { settings: { ...settings, runImage: chosenRunImage(settings, analyzed) }, analyzed };
}

function chosenRunImage({ layout, runImage, analyzedPath }: ExportSettings, analyzed: Analyzed): string {
  const name = layout ? "" : runImage || analyzed.runImage?.image || "";
  return name === "" ? analyzedRunImage(analyzed, analyzedPath) : name;
}
