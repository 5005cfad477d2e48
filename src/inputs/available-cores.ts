import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { posix } from "node:path";

/** Reads a small file of the kernel; undefined when it is not there. */
export type ReadKernelFile = (path: string) => string | undefined;

/**
 * Cores that this process may use, at least 1: those it is scheduled on, or fewer where a cgroup's CPU quota (v2 or v1)
 * allows less; a part of a core counts as one.
 */
export function readAvailableCores(): number {
  return limitByQuota(availableParallelism(), readKernelFile);
}

export function readKernelFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** `cores`, or the smallest quota of the process's cgroup and the groups around it, rounded up. */
export function limitByQuota(cores: number, read: ReadKernelFile): number {
  const quotas = cgroupDirectories("cpu", read).flatMap((directory) => quotaOf(directory, read) ?? []);
  return Math.max(1, Math.min(cores, ...quotas.map(Math.ceil)));
}

/**
 * Where the process's groups may be mounted. /proc/self/cgroup has lines `<id>:<controllers>:<path>`, with no
 * controllers for v2 (cgroups(7)). Inside a container the mount often shows only the own group, as the root.
 */
export function cgroupDirectories(controller: "cpu" | "pids", read: ReadKernelFile): string[] {
  const directories = new Set(["/sys/fs/cgroup", `/sys/fs/cgroup/${controller}`]);
  if (controller === "cpu") directories.add("/sys/fs/cgroup/cpu,cpuacct");
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, ...rest] = line.split(":");
    if (controllers === undefined) continue;
    if (controllers !== "" && !controllers.split(",").includes(controller)) continue;
    const mount = controllers === "" ? "/sys/fs/cgroup" : `/sys/fs/cgroup/${controllers}`;
    for (let path = posix.join("/", rest.join(":")); path !== "/"; path = posix.dirname(path))
      directories.add(posix.join(mount, path));
  }
  return [...directories];
}

/** Cores that one group allows; undefined for no limit. */
function quotaOf(directory: string, read: ReadKernelFile): number | undefined {
  const v2 = read(`${directory}/cpu.max`);
  const [quota, period] =
    v2 === undefined
      ? [read(`${directory}/cpu.cfs_quota_us`), read(`${directory}/cpu.cfs_period_us`)]
      : v2.trim().split(" ");
  // `max` (v2) and -1 (v1) mean no limit.
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : undefined;
}
