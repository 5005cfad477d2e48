import { readdirSync, readlinkSync } from "node:fs";
import { setPriority } from "node:os";

/** Of nice(2). It is also the lowest best-effort I/O priority, unless the process was given one (ioprio_set(2)). */
const LOWEST = 19;

/**
 * Gives all threads of the process but the main thread the lowest priority, which they keep: raising it takes privileges.
 * A thread that starts later has the main thread's.
 */
export function lowerThreads(): void {
  for (const thread of otherThreads()) {
    try {
      // On Linux a niceness belongs to a thread, and its ID serves as a process ID (setpriority(2)).
      setPriority(thread, LOWEST);
    } catch {
      // It has ended.
    }
  }
}

function otherThreads(): number[] {
  // A /proc of another PID namespace has numbers that mean other processes here.
  if (readlinkSync("/proc/self") !== String(process.pid)) return [];
  return readdirSync("/proc/self/task")
    .map(Number)
    .filter((thread) => thread !== process.pid);
}
