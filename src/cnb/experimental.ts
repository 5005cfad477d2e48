import { Fault } from "../errors/fault.ts";
import type { Logger } from "../logger.ts";
import { EXIT_CODES } from "./exit-codes.ts";

/**
 * Rejects or announces an experimental feature according to CNB_EXPERIMENTAL_MODE
 * (docs/compatibility.md#experimental-features): `quiet` is silent, `error` fails, any other word warns.
 * @throws Fault with exit code 1, after an error line that names the feature
 */
export function guardExperimental(feature: string, mode: string, logger: Logger): void {
  const requested = `Platform requested experimental feature '${feature}'`;
  if (mode === "quiet") return;
  if (mode !== "error") {
    logger.warn(requested);
    return;
  }
  logger.error(requested);
  throw new Fault("EXPORT_ARGS_EXPERIMENTAL", "experimental features are disabled by CNB_EXPERIMENTAL_MODE=error", {
    exitCode: EXIT_CODES.failed,
    hint: "Set CNB_EXPERIMENTAL_MODE to warn or quiet.",
  });
}
