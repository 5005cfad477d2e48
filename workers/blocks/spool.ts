import { readSync, writeSync } from "node:fs";
import { Fault, messageOf } from "../../src/errors/fault.ts";
import { goReason } from "../../src/go/errno.ts";
import type { SpoolFile, StoredTar } from "../protocol.ts";

export function readStored({ fileDescriptor }: StoredTar, position: number, into: Buffer): void {
  for (let at = 0; at < into.length; ) {
    const read = readOnce(fileDescriptor, position + at, into.subarray(at));
    if (read === 0) throw new Fault("EXPORT_LAYER_SPOOL", "the spool file is shorter than what was written to it");
    at += read;
  }
}

function readOnce(file: number, position: number, into: Buffer): number {
  try {
    return readSync(file, into, 0, into.length, position);
  } catch (error) {
    throw new Fault("EXPORT_LAYER_SPOOL", `failed to read a layer's tar from the spool: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const WRITE_HINTS = {
  EXPORT_LAYER_SPOOL: "Name a directory with more room in -spool-dir or TMPDIR.",
  EXPORT_LAYOUT_WRITE: "Make room in that directory, or give another one with -layout-dir.",
} satisfies Record<SpoolFile["code"], string>;

export function writeSpool(spool: SpoolFile, bytes: Uint8Array, position: number, what: string): void {
  const { fileDescriptor, directory, code } = spool;
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fileDescriptor, bytes, at, bytes.length - at, position + at);
  } catch (error) {
    const message = `failed to write ${what} to ${directory}: ${goReason(error)}`;
    throw new Fault(code, message, { hint: WRITE_HINTS[code], cause: error });
  }
}
