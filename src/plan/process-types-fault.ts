import { Fault } from "../faults/fault.ts";
import { goQuote } from "../faults/go-quote.ts";

const FORBIDDEN = "/><:|&\\";

/** What Go's tar writer says of a name that no tar can hold. */
function unencodable(type: string): string {
  return `archive/tar: cannot encode header: invalid PAX record: ${goQuote(`path = /cnb/process/${type}`)}`;
}

/**
 * A fault for the first process type that cannot be the name of a symlink
 * (docs/compatibility.md#launcher-and-process-types); undefined if all are valid.
 * @param context the reference's prefix of the message
 */
export function processTypesFault(types: readonly string[], context: string): Fault | undefined {
  for (const type of types) {
    if (type === "") return new Fault("EXPORT_PLAN_PROCESS_TYPE", `${context}: type is required for all processes`);
    if (type.includes("\0")) return new Fault("EXPORT_PLAN_PROCESS_TYPE", `${context}: ${unencodable(type)}`);
    if ([...FORBIDDEN].some((character) => type.includes(character)))
      return new Fault(
        "EXPORT_PLAN_PROCESS_TYPE",
        `${context}: invalid process type '${type}': type may not contain characters '${FORBIDDEN}'`,
      );
  }
  return undefined;
}
