import { readdirSync, readlinkSync } from "node:fs";
import { expect, vi } from "vitest";
import { SpooledBlob } from "../../../src/engine/spool.ts";
import { SpoolFiles } from "../../../src/engine/spool-files.ts";
import { WAIT } from "../runner/time-limits.ts";

/**
 * How many of a process's open descriptors are files in a directory, including unnamed files. Default: this process.
 */
export function openSpools(directory: string, pid: number | "self" = "self"): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(directory);
    } catch {
      return false; // the descriptor of the listing itself
    }
  }).length;
}

export async function spoolsClosed(directory: string): Promise<void> {
  await vi.waitFor(() => expect(openSpools(directory)).toBe(0), WAIT);
}

export async function ownSpool(directory: string): Promise<SpooledBlob> {
  return SpooledBlob.in(await new SpoolFiles(directory, 1).open(0));
}
