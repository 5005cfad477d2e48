import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setPriority } from "node:os";

/** Of nice(2). It is also the lowest best-effort I/O priority, unless the process was given one (ioprio_set(2)). */
const LOWEST = 19;

/**
 * Gives the process's threads the lowest priority, which they keep: raising it takes privileges. Exempt are the main
 * thread and libuv's, which work on files for it. A thread that starts later has the main thread's priority. Never
 * throws.
 */
export function lowerThreads(): void {
  for (const thread of otherThreads()) {
    try {
      if (readFileSync(`/proc/self/task/${thread}/comm`, "latin1").startsWith("libuv-worker")) continue;
      // On Linux a niceness belongs to a thread, and its ID serves as a process ID (setpriority(2)).
      setPriority(thread, LOWEST);
    } catch {
      // It has ended.
    }
  }
}

function otherThreads(): number[] {
  try {
    // In a /proc of another PID namespace the numbers mean other processes.
    if (readlinkSync("/proc/self") !== String(process.pid)) return [];
    return readdirSync("/proc/self/task")
      .map(Number)
      .filter((thread) => thread !== process.pid);
  } catch {
    // There is no /proc, or no descriptor left.
    return [];
  }
}
