import type { Logger } from "../flow/logger.ts";
import type { ExportSettings } from "../inputs/export-inputs.ts";

/** The warning that the reference logs while it sets up the app image (docs/compatibility.md#created-time). */
export function warnInvalidEpoch({ isSourceDateEpochInvalid }: ExportSettings, logger: Logger): void {
  if (isSourceDateEpochInvalid) logger.warn("Ignoring invalid SOURCE_DATE_EPOCH");
}
