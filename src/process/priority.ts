import { spawn } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { setPriority } from "node:os";

/** Of nice(2). It is also the lowest best-effort I/O priority, unless the process was given one (ioprio_set(2)). */
const LOWEST = 19;

/** The options are those of util-linux and of BusyBox. */
const MAKE_IDLE = 'for thread; do chrt -i -p 0 "$thread"; done';

/**
 * Keeps the process's threads, but not the main thread, out of the way of other processes of its cgroup. All get nice 19.
 * Threads that start later also get SCHED_IDLE where there is `chrt`: such a thread yields at once to one that wakes up, while
 * one at nice 19 runs to the end of its time slice. They keep both, because raising a priority takes privileges.
 */
export class ThreadPriorities {
  #seen: ReadonlySet<number>;

  constructor() {
    const threads = otherThreads();
    threads.forEach(lower);
    this.#seen = new Set(threads);
  }

  /** A new thread starts with the main thread's priority. */
  lowerNew(): void {
    const threads = otherThreads();
    const started = threads.filter((thread) => !this.#seen.has(thread));
    this.#seen = new Set(threads);
    if (started.length === 0) return;
    started.forEach(lower);
    const { PATH = "" } = process.env;
    const shell = spawn("/bin/sh", ["-c", MAKE_IDLE, "sh", ...started.map(String)], { env: { PATH }, stdio: "ignore" });
    shell.on("error", () => undefined).unref();
  }
}

function otherThreads(): number[] {
  // A /proc of another PID namespace has numbers that mean other processes here.
  if (readlinkSync("/proc/self") !== String(process.pid)) return [];
  return readdirSync("/proc/self/task")
    .map(Number)
    .filter((thread) => thread !== process.pid);
}

function lower(thread: number): void {
  try {
    // On Linux a niceness belongs to a thread, and its ID serves as a process ID (setpriority(2)).
    setPriority(thread, LOWEST);
  } catch {
    // It has ended.
  }
}
