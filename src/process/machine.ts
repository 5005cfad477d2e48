import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { posix } from "node:path";
import type { Logger } from "../logger.ts";

/* The part of the machine that this process may use. Cgroups (v1 or v2) of the process and their ancestors limit it. */

export interface Machine {
  readonly cores: number;
  readonly memory?: AvailableMemory | undefined;
  readonly tempDir: string;
}

interface AvailableMemory {
  readonly bytes: number;
  readonly path: string;
}

type ReadKernelFile = (path: string) => string | undefined;

export function readMachine(tempDir: string): Machine {
  return { cores: readAvailableCores(), memory: availableMemory(readKernelFile), tempDir };
}

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

export function limitByQuota(cores: number, read: ReadKernelFile): number {
  const quotas = cgroupDirectories("cpu", read).flatMap((directory) => readQuota(directory, read) ?? []);
  return Math.max(1, Math.min(cores, ...quotas.map(Math.ceil)));
}

/** The minimum of the machine's free memory and what the limits of the process's cgroup and its ancestors leave. */
export function availableMemory(read: ReadKernelFile): AvailableMemory | undefined {
  const found = [
    ...machineMemory(read),
    ...cgroupDirectories("memory", read).flatMap((directory) => groupMemory(directory, read)),
  ];
  return found.reduce<AvailableMemory | undefined>(
    (least, one) => (least === undefined || one.bytes < least.bytes ? one : least),
    undefined,
  );
}

/**
 * Directories where the process's groups may be mounted. /proc/self/cgroup has lines `<id>:<controllers>:<path>`, with
 * no controllers for v2 (cgroups(7)). In a container the mount often shows only its own group, as the root. On hybrid
 * hosts v2 is mounted at `unified`.
 */
export function cgroupDirectories(controller: "cpu" | "memory" | "pids", read: ReadKernelFile): string[] {
  const directories = new Set<string>();
  const add = (controllers: string, group: string): void => {
    const mounts =
      controllers === "" ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] : [`/sys/fs/cgroup/${controllers}`];
    for (const mount of mounts)
      for (let path = posix.join("/", group); ; path = posix.dirname(path)) {
        directories.add(posix.join(mount, path).replace(/\/$/, ""));
        if (path === "/") break;
      }
  };
  for (const controllers of ["", controller]) add(controllers, "/");
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, ...rest] = line.split(":");
    if (controllers === undefined) continue;
    if (controllers !== "" && !controllers.split(",").includes(controller)) continue;
    add(controllers, rest.join(":"));
  }
  return [...directories];
}

function readQuota(directory: string, read: ReadKernelFile): number | undefined {
  const v2 = read(`${directory}/cpu.max`);
  const [quota, period] =
    v2 === undefined
      ? [read(`${directory}/cpu.cfs_quota_us`), read(`${directory}/cpu.cfs_period_us`)]
      : v2.trim().split(" ");
  // `max` (v2) and -1 (v1) mean no limit.
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : undefined;
}

function machineMemory(read: ReadKernelFile): AvailableMemory[] {
  const path = "/proc/meminfo";
  const text = read(path) ?? "";
  // MemAvailable exists since Linux 3.14.
  const kibibytes = /^MemAvailable: +(\d+) kB$/m.exec(text) ?? /^MemTotal: +(\d+) kB$/m.exec(text);
  return kibibytes === null ? [] : [{ bytes: Number(kibibytes[1]) * 1024, path }];
}

/**
 * What the limits of one group leave beyond its use without droppable caches. Above `memory.high` (v2) processes are
 * slowed down so much that it counts as a limit. `hierarchical_memory_limit` (v1) includes ancestors that a container
 * does not see.
 */
function groupMemory(directory: string, read: ReadKernelFile): AvailableMemory[] {
  const stat = read(`${directory}/memory.stat`) ?? "";
  const statistic = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(stat)?.[1] ?? Number.NaN);
  const limits = ["memory.max", "memory.high", "memory.limit_in_bytes"].map((name) => ({
    name,
    limit: parseBytes(read(`${directory}/${name}`)),
  }));
  limits.push({ name: "memory.stat", limit: statistic("hierarchical_memory_limit") });
  const usage = parseBytes(read(`${directory}/memory.current`) ?? read(`${directory}/memory.usage_in_bytes`));
  // v1 sums up descendants in `total_*`; v2 always does.
  const files = ["active_file", "inactive_file"].map((name) => statistic(`total_${name}`) || statistic(name) || 0);
  const used = Math.max(0, (usage || 0) - files.reduce((sum, bytes) => sum + bytes, 0));
  return limits
    .filter(({ limit }) => limit >= 0)
    .map(({ name, limit }) => ({ bytes: Math.max(0, limit - used), path: `${directory}/${name}` }));
}

function parseBytes(text: string | undefined): number {
  return /^\d+\s*$/.test(text ?? "") ? Number(text) : Number.NaN;
}

const MIB = 1 << 20;

/*
 * Measured resident memory plus a margin (docs/operations.md#memory): of an export of 30,000 files without its workers,
 * and of a worker that reads many incompressible files.
 */
const EXPORT_BYTES = 192 * MIB;
export const WORKER_BYTES = 16 * MIB;

/**
 * More than about 16 workers are no faster, because hashing is sequential; this many still fit into the 4 GiB of a
 * WebAssembly memory.
 */
export const MAX_WORKERS = 512;

export function defaultWorkers({ cores, memory }: Machine): number {
  return Math.min(cores, fittingWorkers(memory));
}

/**
 * Limits the workers by the available memory. Logs a debug line if it limits the default, a warning if it limits an
 * explicit number.
 * @param wanted at most {@link MAX_WORKERS}
 */
export function boundWorkers(wanted: number, { cores, memory }: Machine, logger: Logger): number {
  const max = fittingWorkers(memory);
  if (memory === undefined || max > wanted) return wanted;
  const why = `the available memory of ${Math.floor(memory.bytes / MIB)} MiB (${memory.path})`;
  if (wanted > max) logger.warn(`-workers ${wanted} exceeds ${why}: using ${max}`);
  else if (wanted < cores) logger.debug(`Using ${wanted} workers on ${cores} cores because of ${why}`);
  return max;
}

export function hasMemoryFor(workers: number): boolean {
  const memory = availableMemory(readKernelFile);
  return memory === undefined || memory.bytes >= EXPORT_BYTES + workers * WORKER_BYTES;
}

export function fittingWorkers(memory: AvailableMemory | undefined): number {
  if (memory === undefined) return MAX_WORKERS;
  const fitting = Math.floor((memory.bytes - EXPORT_BYTES) / WORKER_BYTES);
  return Math.max(1, Math.min(MAX_WORKERS, fitting));
}
