import { readFileSync } from "node:fs";
import { constants } from "node:os";

export type LimitName = "Max open files" | "Max processes" | "Max address space" | "Max data size" | "Max file size";

/** Read once, while descriptors are available. Node has raised the soft limit of open files to the hard one. */
const LIMITS = readLimits();

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "latin1");
  } catch {
    return "";
  }
}

export function processLimit(name: LimitName): number | undefined {
  const value = new RegExp(`^${name} +(\\d+) `, "m").exec(LIMITS)?.[1];
  return value === undefined ? undefined : Number(value);
}

type ShortageCode = "EXPORT_LIMIT_OPEN_FILES" | "EXPORT_LIMIT_THREADS" | "EXPORT_LIMIT_MEMORY" | "EXPORT_SYSTEM";

interface Shortage {
  readonly code: ShortageCode;
  readonly advice: () => string;
}

const MEMORY: Shortage = {
  code: "EXPORT_LIMIT_MEMORY",
  advice: () => "Give the export more memory, or fewer threads with -workers.",
};

const SHORTAGES: Readonly<Record<string, Shortage>> = {
  EMFILE: {
    code: "EXPORT_LIMIT_OPEN_FILES",
    advice: () =>
      `The process may open ${processLimit("Max open files") ?? "no more"} files. Raise the limit, e.g. with ulimit -n 1024, or docker run --ulimit nofile=1024.`,
  },
  ENFILE: {
    code: "EXPORT_LIMIT_OPEN_FILES",
    advice: () =>
      "The machine has reached its limit of open files. Raise the sysctl fs.file-max, or close other programs.",
  },
  EAGAIN: {
    code: "EXPORT_LIMIT_THREADS",
    advice: () =>
      `The limit of threads and processes is reached (ulimit -u: ${processLimit("Max processes") ?? "unlimited"}). Raise that limit or the container's (pids.max), or use fewer threads with -workers.`,
  },
  ENOMEM: MEMORY,
  ERR_WORKER_OUT_OF_MEMORY: MEMORY,
  ERR_MEMORY_ALLOCATION_FAILED: MEMORY,
  EFBIG: {
    code: "EXPORT_SYSTEM",
    advice: () =>
      `A file may have ${processLimit("Max file size") ?? "no more"} bytes. Raise the limit with ulimit -f, or use a file system that takes larger files.`,
  },
};

const SYSTEM_ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "The file system is full: free space or inodes on it, or use another one.",
  EDQUOT: "The user's quota on that file system is used up: free space, or raise the quota.",
  ENAMETOOLONG: "The path, or a name in it, is longer than the system takes: shorten or remove it.",
  EROFS: "The file system is mounted read-only: mount it writable, or use another path.",
  EIO: "The disk or the network file system failed: look into the kernel's log (dmesg).",
  ESTALE: "The network file system lost the file: mount it again.",
};

/**
 * Node reports the cause of a failed thread start in the message only, and errors lose their codes when they leave a
 * thread.
 */
const NAMED_IN_MESSAGE = /^(?:Worker initialization failure: )?(E[A-Z]+)(?:: |$)/;

const NO_MEMORY =
  /Array buffer allocation failed|Invalid typed array length: \d+$|WebAssembly\.Memory\(\): could not allocate memory|out of memory/i;

export function shortageHint(error: unknown): string | undefined {
  return shortageOf(error)?.advice();
}

export function shortageCode(error: unknown): ShortageCode | undefined {
  return shortageOf(error)?.code;
}

export function isShortage(error: unknown): boolean {
  return shortageOf(error) !== undefined;
}

export function systemHint(error: unknown): string | undefined {
  if (!Error.isError(error)) return undefined;
  return SYSTEM_ADVICE[systemCodeOf(error) ?? ""] ?? systemHint(error.cause);
}

export function systemCodeOf(error: unknown): string | undefined {
  if (!Error.isError(error) || !("syscall" in error) || !("code" in error)) return undefined;
  // libuv has no names for some numbers.
  const name = "errno" in error ? UNNAMED[Number(error.errno)] : undefined;
  return name ?? String(error.code);
}

const UNNAMED: Readonly<Record<number, string>> = {
  [-constants.errno.ESTALE]: "ESTALE",
  [-constants.errno.EDQUOT]: "EDQUOT",
};

function shortageOf(error: unknown): Shortage | undefined {
  if (!Error.isError(error)) return undefined;
  const own = "code" in error ? String(error.code) : undefined;
  const code = NAMED_IN_MESSAGE.exec(error.message)?.[1] ?? own ?? "";
  // EAGAIN of a read or write is not a shortage.
  const isCall = code !== "EAGAIN" || !("syscall" in error) || String(error.syscall).startsWith("spawn");
  const found = Object.hasOwn(SHORTAGES, code) && isCall ? SHORTAGES[code] : undefined;
  if (found !== undefined) return found;
  return error.name === "RangeError" && NO_MEMORY.test(error.message) ? MEMORY : shortageOf(error.cause);
}
