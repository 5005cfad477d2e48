import { TAR_TYPE } from "../../../src/layers/tar-header.ts";
import type { ScannedEntry } from "../../../src/layers/tar-index.ts";

/** A scanned entry of an empty file 0644 0:0, but for what the test says. */
export function madeEntry(name: string, rest: Partial<ScannedEntry> = {}): ScannedEntry {
  return {
    name,
    type: TAR_TYPE.file,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    linkName: "",
    deviceMajor: 0,
    deviceMinor: 0,
    mtimeMs: 0,
    ctimeMs: 0,
    ...rest,
  };
}
