import { readdirSync, readlinkSync } from "node:fs";
import { expect } from "vitest";

/** How many of a process's open descriptors are files in a directory, including unnamed files. Default: this process. */
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
  for (let turn = 0; turn < 1000 && openSpools(directory) > 0; turn++)
    await new Promise<void>((resolve) => setImmediate(resolve));
  expect(openSpools(directory)).toBe(0);
}
