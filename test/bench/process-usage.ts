import { readFileSync } from "node:fs";
import type { Usage } from "./measure.ts";

const TICK_MS = 10;

/** What a process that goes on has taken of the machine until now, with the children that it waited for. */
export type UsageUntilNow = Omit<Usage, "wallMs">;

/** proc(5): fields 14 to 17 of stat are times, in ticks of 1/100 s. */
export function readProcessUsage(pid: number): UsageUntilNow {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat
    .slice(stat.lastIndexOf(") ") + 2)
    .split(" ")
    .map(Number);
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + field, 0);
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  const written = /^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1];
  return { cpuMs: ticks * TICK_MS, peakBytes: Number(peak) * 1024, writtenBytes: Number(written) };
}
