import { readSync } from "node:fs";
import { Fault, messageOf } from "../faults/fault.ts";
import type { TarIndex } from "./tar-index.ts";

/** A layer's tar that lies in a spool file as it is. Threads of a process share descriptors. */
export interface StoredTar {
  readonly fileDescriptor: number;
  /** Length of the tar in bytes, its trailer included. */
  readonly tarSize: number;
}

/** Where any thread gets any part of a layer's tar from: made from its index, or read from where it lies. */
export type LayerTar = TarIndex | StoredTar;

export function isStored(tar: LayerTar): tar is StoredTar {
  return "fileDescriptor" in tar;
}

/** Reads the bytes from `position` that fill `into`. */
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
