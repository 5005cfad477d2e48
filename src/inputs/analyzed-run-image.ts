import { Fault } from "../faults/fault.ts";
import type { Analyzed } from "./export-inputs.ts";

/**
 * The run image's reference as analyzed.
 * @param path of analyzed.toml, for the hint
 * @throws Fault if it, or its table, is missing, where the reference crashes (docs/compatibility.md#no-crashes)
 */
export function analyzedRunImage({ runImage }: Analyzed, path: string): string {
  const reference = runImage?.reference ?? "";
  if (reference !== "") return reference;
  throw new Fault("EXPORT_ARGS_RUN_IMAGE", "run image not found in analyzed metadata", {
    hint: `${path} must have a table [run-image] with a reference; the analyzer writes it.`,
  });
}
