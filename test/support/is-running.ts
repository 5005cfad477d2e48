import { readFileSync } from "node:fs";

/** Whether there is such a process and it has not ended. */
export function isRunning(pid: number): boolean {
  try {
    // The state of a process that nobody waits for any more is Z.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
