import type { Logger } from "../flow/logger.ts";
import { readAnalyzed } from "./analyzed.ts";
import { analyzedRunImage } from "./analyzed-run-image.ts";
import type { Analyzed, ExportSettings } from "./export-inputs.ts";
import type { ResolvedInputs } from "./resolve-settings.ts";

/**
 * Reads analyzed.toml, which the phases before the export wrote, and chooses the run image.
 *
 * As in the reference the app is built on the run image by the name it was chosen by, while the exporter uses the
 * analyzed digest (docs/compatibility.md#creator). From API 0.12 on analyzed.toml has the name; below it is known only
 * if the user gave it, and the digest is used otherwise. A layout has no names.
 * @throws Fault if analyzed.toml cannot be read or has no run image
 */
export async function readCreatedInputs(settings: ExportSettings, logger: Logger): Promise<ResolvedInputs> {
  const analyzed = await readAnalyzed(settings.analyzedPath, logger);
  return { settings: { ...settings, runImage: chosenRunImage(settings, analyzed) }, analyzed };
}

function chosenRunImage({ layout, runImage, analyzedPath }: ExportSettings, analyzed: Analyzed): string {
  const name = layout ? "" : runImage || analyzed.runImage?.image || "";
  return name === "" ? analyzedRunImage(analyzed, analyzedPath) : name;
}
