import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { messageOf } from "../../../src/errors/fault.ts";

/** Files of a memory limit (cgroups(7)) in v1's own hierarchy and in v2's unified one. */
const VERSIONS = [
  { mount: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes", events: "memory.oom_control" },
  { mount: "/sys/fs/cgroup", limit: "memory.max", events: "memory.events" },
] as const;

export interface MemoryCgroup {
  readonly limitPath: string;
  /** For `sh -c <script> sh <command>`: runs a command in the group. */
  readonly script: string;
  /** Number of processes that the kernel has killed for lack of memory. */
  kills(): number;
}

let groups = 0;

function make(bytes: number): MemoryCgroup & { remove(): void } {
  const failures: string[] = [];
  for (const { mount, limit, events } of VERSIONS) {
    const directory = join(mount, `tandem-test-${process.pid}-${groups++}`);
    const limitPath = join(directory, limit);
    const remove = (): void => rmdirSync(directory);
    try {
      mkdirSync(directory);
    } catch (error) {
      failures.push(messageOf(error));
      continue;
    }
    try {
      // Only if the parent group delegates the memory controller.
      readFileSync(limitPath);
      writeFileSync(limitPath, String(bytes));
    } catch (error) {
      remove();
      failures.push(messageOf(error));
      continue;
    }
    const kills = (): number =>
      Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(directory, events), "utf8"))?.[1] ?? Number.NaN);
    return { limitPath, script: `echo $$ >${join(directory, "cgroup.procs")} && exec "$@"`, kills, remove };
  }
  throw new Error(failures.join("; "));
}

export const memoryCgroupProblem: string | undefined = findProblem();

function findProblem(): string | undefined {
  try {
    make(1 << 30).remove();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Creates a group with a limit in bytes. It is removed after the test; its processes must have ended by then. */
export function memoryCgroup(bytes: number): MemoryCgroup {
  const group = make(bytes);
  onTestFinished(group.remove);
  return group;
}
