import { gates } from "../cnb/platform-api.ts";
import { Fault, failTo } from "../faults/fault.ts";
import type { Logger } from "../flow/logger.ts";
import type { ContainerConfig } from "../oci/image-config.ts";
import type { ExportRun } from "./context.ts";
import { readExtendedImage } from "./extended-image.ts";

/**
 * The `config` of the extended run image, if it replaces the run image's (docs/compatibility.md#inherited-config).
 * Never in a layout, as in the reference.
 * @returns undefined if the run image's config stays
 * @throws Fault `failed to get extended image config: ...` with exit code 1
 */
export async function readExtendedConfig(
  { settings, analyzed }: Pick<ExportRun, "settings" | "analyzed">,
  logger: Logger,
): Promise<ContainerConfig | undefined> {
  const isExtended = gates(settings.platformApi).hasExtensions && analyzed.runImage?.extend === true;
  if (!isExtended || settings.layout) return undefined;
  try {
    const image = await readExtendedImage(settings);
    if (image === undefined)
      throw new Fault("EXPORT_LAYOUT_MISSING", "missing extended run image", {
        hint: `analyzed.toml says that the run image is extended, and there is nothing in ${settings.extendedDir}/run.`,
      });
    if (!settings.daemon) logger.debug("Using config from extensions...");
    return image.config.config;
  } catch (error) {
    throw failTo("get extended image config", error);
  }
}
