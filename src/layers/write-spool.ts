import { writeSync } from "node:fs";
import { Fault, messageOf } from "../faults/fault.ts";

/**
 * Writes all bytes at a position of a spool file.
 * @param what they are, for the message
 */
export function writeSpool(spool: number, bytes: Uint8Array, position: number, what: string): void {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(spool, bytes, at, bytes.length - at, position + at);
  } catch (error) {
    throw new Fault("EXPORT_LAYER_SPOOL", `failed to write ${what} to the spool: ${messageOf(error)}`, {
      hint: "Give a directory with more room, or a faster disk, with -spool-dir.",
      cause: error,
    });
  }
}
