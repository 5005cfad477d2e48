import { readdirSync } from "node:fs";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { digesterCount } from "../engine/slots.ts";
import { Fault, type FaultCode } from "../errors/fault.ts";
import { processLimit } from "../errors/shortage.ts";
import { cgroupDirectories, readKernelFile } from "../process/machine.ts";

export interface Capacity {
  readonly workers: number;
  readonly maxWorkers: number;
  readonly uploadConcurrency: number;
  /** None if the limits leave no room for them: the main thread uploads. */
  readonly uploadThreads: number;
  readonly spools: number;
}

interface LimitUsage {
  readonly limit?: number | undefined;
  readonly used: number;
}

export interface ProcessLimits {
  readonly openFiles: LimitUsage;
  readonly addressSpace: LimitUsage;
  readonly data: LimitUsage;
  readonly threads: LimitUsage;
}

/* Measured with Node 26 on linux/amd64. */

/** Descriptors of a thread's event loop: epoll, io_uring, eventfd, both ends of a pipe. */
const THREAD_DESCRIPTORS = 5;

const UPLOAD_THREADS = 2;

/**
 * With fewer workers the main thread has time to send what they compress. The workers count, not the cores: a user who
 * wants few threads gets few.
 */
const WORKERS_FOR_UPLOAD_THREADS = 6;

export function wantedUploadThreads(workers: number): number {
  return workers >= WORKERS_FOR_UPLOAD_THREADS ? UPLOAD_THREADS : 0;
}

function threadsOf({ workers, uploadThreads }: Pick<Wanted, "workers" | "uploadThreads">): number {
  return workers + digesterCount(workers) + uploadThreads;
}

/** The app image's and the cache image's. */
const REGISTRIES = 2;

/** For Node's four file threads, the pipes of a program, the event file, and the minimum of tar files. */
const TRANSIENT_DESCRIPTORS = 12;

const MIN_SPOOLS = 2;

/** `lifecycle -version`, or a credential helper. */
const PROGRAMS = 1;

/** Address space in bytes: of a thread, and below of the HTTP parser. */
const THREAD_ADDRESSES = 0.5e9;
const PARSER_ADDRESSES = 4.8e9;

/** From this address space limit on Node reserves guard regions around each WebAssembly memory: 12.5 GB more. */
const GUARDED_FROM = 2 ** 34;
const GUARD_ADDRESSES = 12.5e9;

const THREAD_DATA = 0.15e9;

/** Address space in bytes that guard regions will take. @param limit of the address space, in bytes */
export function guardAddresses(limit = 0, nodeOptions: readonly string[] = process.execArgv): number {
  return limit >= GUARDED_FROM && !nodeOptions.includes("--disable-wasm-trap-handler") ? GUARD_ADDRESSES : 0;
}

export function readProcessLimits(): ProcessLimits {
  const status = readKernelFile("/proc/self/status") ?? "";
  const bytes = (field: string) => 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0);
  const maxAddresses = processLimit("Max address space");
  return {
    openFiles: { limit: processLimit("Max open files"), used: openDescriptors() },
    addressSpace: { limit: maxAddresses, used: bytes("VmSize") + guardAddresses(maxAddresses) },
    data: { limit: processLimit("Max data size"), used: bytes("VmData") },
    threads: tightest([...containerThreads(), ...userThreads()]),
  };
}

function openDescriptors(): number {
  try {
    // Opening the directory takes one.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return 0;
  }
}

function tightest(limits: readonly LimitUsage[]): LimitUsage {
  return limits.reduce((least, limit) => (left(limit) < left(least) ? limit : least), { used: 0 });
}

function containerThreads(): LimitUsage[] {
  return cgroupDirectories("pids", readKernelFile).flatMap((directory) => {
    const [limit, used] = ["pids.max", "pids.current"].map((name) => Number(readKernelFile(`${directory}/${name}`)));
    // `max` means no limit; the root group has no files.
    return Number.isInteger(limit) && Number.isInteger(used) ? [{ limit, used: used as number }] : [];
  });
}

/** Limits of a user above this are ignored, because counting takes longer the more processes there are. */
const MAX_COUNTED = 4096;

/** Root has no such limit. Processes of other containers count, but are invisible. */
function userThreads(): LimitUsage[] {
  const [limit, uid] = [processLimit("Max processes"), process.getuid?.() ?? 0];
  if (uid === 0 || limit === undefined || limit > MAX_COUNTED) return [];
  const counts = readdirSync("/proc").map((pid) => {
    const status = /^\d+$/.test(pid) ? (readKernelFile(`/proc/${pid}/status`) ?? "") : "";
    const isOwn = new RegExp(`^Uid:\\t${uid}\\t`, "m").test(status);
    return isOwn ? Number(/^Threads:\t(\d+)$/m.exec(status)?.[1] ?? 0) : 0;
  });
  return [{ limit, used: counts.reduce((sum, count) => sum + count, 0) }];
}

interface Resource {
  readonly name: keyof ProcessLimits;
  readonly code: FaultCode;
  readonly text: string;
  readonly command: string;
  readonly needed: (capacity: Wanted) => number;
}

type Wanted = Pick<Capacity, "workers" | "uploadConcurrency" | "uploadThreads">;

const OPEN_FILES: Resource = {
  name: "openFiles",
  code: "EXPORT_LIMIT_OPEN_FILES",
  text: "open files",
  command: "ulimit -n",
  needed: (capacity) =>
    threadsOf(capacity) * THREAD_DESCRIPTORS +
    capacity.workers +
    REGISTRIES * connectionsFor(capacity.uploadConcurrency) +
    REGISTRIES * capacity.uploadThreads * capacity.uploadConcurrency +
    MIN_SPOOLS +
    TRANSIENT_DESCRIPTORS,
};

const RESOURCES: readonly Resource[] = [
  OPEN_FILES,
  {
    name: "addressSpace",
    code: "EXPORT_LIMIT_ADDRESS_SPACE",
    text: "bytes of address space",
    command: "ulimit -v",
    needed: (capacity) => PARSER_ADDRESSES + threadsOf(capacity) * THREAD_ADDRESSES,
  },
  {
    name: "data",
    code: "EXPORT_LIMIT_DATA",
    text: "bytes of data",
    command: "ulimit -d",
    needed: (capacity) => threadsOf(capacity) * THREAD_DATA,
  },
  {
    name: "threads",
    code: "EXPORT_LIMIT_THREADS",
    text: "processes and threads",
    command: "ulimit -u, and pids.max of the container",
    needed: (capacity) => threadsOf(capacity) + PROGRAMS,
  },
];

/**
 * Reduces the wanted capacity to what the limits allow.
 * @param wanted with the number of workers that fit into memory, to tell whether memory or a limit reduces them
 * @throws Fault naming the limit that does not allow one worker and one upload
 */
export function fitCapacity(
  wanted: Omit<Wanted, "uploadThreads"> & { readonly fittingWorkers?: number },
  limits = readProcessLimits(),
): Capacity {
  const lacking = (capacity: Wanted) => RESOURCES.find(({ name, needed }) => needed(capacity) > left(limits[name]));
  let capacity: Wanted = { workers: 1, uploadConcurrency: 1, uploadThreads: 0 };
  const missing = lacking(capacity);
  if (missing !== undefined) throw limitFault(missing, limits[missing.name], missing.needed(capacity));
  const maxFitting = (key: "workers" | "uploadConcurrency", limit: number): number => {
    let [fits, lacks] = [1, limit + 1];
    while (lacks - fits > 1) {
      const count = Math.floor((fits + lacks) / 2);
      if (lacking({ ...capacity, [key]: count }) === undefined) fits = count;
      else lacks = count;
    }
    return fits;
  };
  const maxWorkers = maxFitting("workers", Math.max(wanted.workers, wanted.fittingWorkers ?? 1));
  capacity = { ...capacity, workers: Math.min(maxWorkers, wanted.workers) };
  capacity = { ...capacity, uploadConcurrency: maxFitting("uploadConcurrency", wanted.uploadConcurrency) };
  const withThreads = { ...capacity, uploadThreads: wantedUploadThreads(capacity.workers) };
  if (lacking(withThreads) === undefined) capacity = withThreads;
  const spare = left(limits.openFiles) - OPEN_FILES.needed(capacity);
  return { ...capacity, maxWorkers, spools: MIN_SPOOLS + Math.floor(spare / 2) };
}

/** As {@link fitCapacity}, for limits that may leave room later: undefined if they do not allow one worker now. */
export function capacityLeft(...parameters: Parameters<typeof fitCapacity>): Capacity | undefined {
  try {
    return fitCapacity(...parameters);
  } catch {
    return undefined;
  }
}

export function connectionsFor(uploadConcurrency: number): number {
  return 2 * uploadConcurrency + 2;
}

function left({ limit = Number.POSITIVE_INFINITY, used }: LimitUsage): number {
  return limit - used;
}

function limitFault({ code, text, command }: Resource, { limit, used }: LimitUsage, needed: number): Fault {
  return new Fault(code, `this process may have ${limit} ${text}, and the export needs ${Math.ceil(used + needed)}`, {
    exitCode: EXIT_CODES.exportFailed,
    hint: `Raise the limit (${command}).`,
  });
}
