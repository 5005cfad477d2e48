import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { Fault } from "../faults/fault.ts";
import type { ExportSettings } from "./export-inputs.ts";

const UNSUPPORTED: readonly { readonly input: string; isRequested(settings: ExportSettings): boolean }[] = [
  // Elsewhere it is ignored, with the reference's warning.
  {
    input: "-launch-cache (CNB_LAUNCH_CACHE_DIR)",
    isRequested: ({ daemon, launchCacheDir }) => daemon && launchCacheDir !== "",
  },
];

/**
 * Refuses what is not available yet; to be called when all of the reference's own checks have passed.
 * @throws Fault with exit code 3 for the first such input
 */
export function refuseUnsupported(settings: ExportSettings): void {
  const found = UNSUPPORTED.find(({ isRequested }) => isRequested(settings));
  if (found === undefined) return;
  throw new Fault("EXPORT_ARGS_UNSUPPORTED", `failed to resolve inputs: ${found.input} is not available yet`, {
    exitCode: EXIT_CODES.invalidArgs,
  });
}
