import { readFileSync } from "node:fs";

/* What Linux says of processes (proc(5)). A process that is not there, or gone, has nothing. */

/** Times are told in steps of 1/100 s. */
const TICK_MS = 10;

/** @param path below /proc */
export function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    return "";
  }
}

/** What was started by a process's main thread and still is. */
export function childrenOf(process: number): number[] {
  return readProc(`${process}/task/${process}/children`).split(" ").filter(Boolean).map(Number);
}

/** User and system time in a stat file's text: the own one, and that of children that were waited for. In ms. */
export function parseTimes(stat: string): { readonly ownMs: number; readonly childrenMs: number } {
  const fields = stat.slice(stat.lastIndexOf(") ") + 2).split(" ");
  const time = (field: number): number => Number(fields[field] ?? 0) * TICK_MS;
  return { ownMs: time(11) + time(12), childrenMs: time(13) + time(14) };
}

/** The largest resident size until now, in bytes. */
export function peakOf(process: number): number {
  return sizeOf(process, "VmHWM");
}

/** The resident size that is no file's, in bytes. */
export function anonymousOf(process: number): number {
  return sizeOf(process, "RssAnon");
}

function sizeOf(process: number, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readProc(`${process}/status`))?.[1] ?? 0) * 1024;
}

/** Bytes that were handed to disks, in an io file's text. */
export function parseWritten(io: string): number {
  return Number(/^write_bytes: (\d+)$/m.exec(io)?.[1] ?? Number.NaN);
}
