import { Fault } from "../src/errors/fault.ts";
import { type ByteString, fromByteString } from "../src/go/byte-string.ts";

/** What to do when something is not what it was a moment ago. */
export const CHANGED_HINT = "Make sure that nothing writes to the layers and app directories during the export.";

/** A path that is no longer what the scan saw. @param what happened to it */
export function changedFault(path: ByteString, what: string): Fault {
  return new Fault("EXPORT_LAYER_CHANGED", `file changed while it was exported: ${fromByteString(path)} ${what}`, {
    hint: CHANGED_HINT,
  });
}
