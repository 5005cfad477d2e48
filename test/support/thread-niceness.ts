import { readdirSync, readFileSync } from "node:fs";

/** The ids of the threads of a process that have the lowest priority, 19 (proc_pid_stat(5)). Default: this process. */
export function nicestThreads(pid: number | "self" = "self"): string[] {
  return readdirSync(`/proc/${pid}/task`).filter((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16] === "19";
  });
}
