import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { gates } from "../cnb/platform-api.ts";
import { Fault } from "../faults/fault.ts";
import { hasExtendedLayers } from "./experimental.ts";
import type { Analyzed, ExportSettings } from "./export-inputs.ts";

const UNSUPPORTED: readonly { readonly input: string; isRequested(settings: ExportSettings): boolean }[] = [
  { input: "-daemon (CNB_USE_DAEMON)", isRequested: (settings) => settings.daemon },
];

/**
 * Refuses run images that image extensions have extended: an image without their layers, or their config, would be a wrong
 * one. To be called when the experimental guard has let them pass.
 * @throws Fault with exit code 3
 */
export async function refuseExtensions(settings: ExportSettings, { runImage }: Analyzed): Promise<void> {
  if (!gates(settings.platformApi).hasExtensions) return;
  const isExtended = runImage?.extend === true || (await hasExtendedLayers(settings));
  if (isExtended) throw unsupported("a run image extended by image extensions (-extended, CNB_EXTENDED_DIR)");
}

/**
 * Refuses what is not available yet; to be called when all of the reference's own checks have passed.
 * @throws Fault with exit code 3 for the first such input
 */
export function refuseUnsupported(settings: ExportSettings): void {
  const found = UNSUPPORTED.find(({ isRequested }) => isRequested(settings));
  if (found === undefined) return;
  throw unsupported(found.input);
}

function unsupported(input: string): Fault {
  return new Fault("EXPORT_ARGS_UNSUPPORTED", `failed to resolve inputs: ${input} is not available yet`, {
    exitCode: EXIT_CODES.invalidArgs,
  });
}
