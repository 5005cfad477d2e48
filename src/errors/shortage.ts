import { readFileSync } from "node:fs";

/** Limits of this process as `/proc/self/limits` names them (proc_pid_limits(5)). */
export type LimitName = "Max open files" | "Max processes" | "Max address space" | "Max data size" | "Max file size";

/** Read once, when there are descriptors to read them with. Node has raised the soft limit of open files to the hard one. */
const LIMITS = readLimits();

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "latin1");
  } catch {
    return "";
  }
}

/** A soft limit of this process; undefined for none, and where the system does not say. */
export function processLimit(name: LimitName): number | undefined {
  const value = new RegExp(`^${name} +(\\d+) `, "m").exec(LIMITS)?.[1];
  return value === undefined ? undefined : Number(value);
}

/** What is exhausted, and what to do, by error code. */
const ADVICE: Readonly<Record<string, () => string>> = {
  EMFILE: () =>
    `This process may open ${processLimit("Max open files") ?? "no more"} files. Raise the limit, e.g. with ulimit -n 1024, or docker run --ulimit nofile=1024.`,
  ENFILE: () =>
    "The machine has as many open files as it may have. Raise the sysctl fs.file-max, or close other programs.",
  EAGAIN: () =>
    `No more threads or processes may be started (ulimit -u: ${processLimit("Max processes") ?? "unlimited"}). Raise that limit or the container's (pids.max), or use fewer threads with -workers.`,
  ENOMEM: () => "Give the export more memory, or fewer threads with -workers.",
  EFBIG: () => `A file may have ${processLimit("Max file size") ?? "no more"} bytes. Raise the limit with ulimit -f.`,
};

/** Node names the cause of a thread that cannot start in the message only. */
const WORKER_FAILURE = /^(?:Worker initialization failure: )?(E[A-Z]+)$/;

/**
 * What to do about an error of the system that says that the process or the machine has no more of something.
 * @param error its causes are looked at, too
 * @returns undefined for any other error
 */
export function shortageHint(error: unknown): string | undefined {
  const code = shortageOf(error);
  return code === undefined ? undefined : ADVICE[code]?.();
}

/** True for an error that says so, and that means nothing else: not "not there", not "not allowed". */
export function isShortage(error: unknown): boolean {
  return shortageOf(error) !== undefined;
}

function shortageOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = WORKER_FAILURE.exec(error.message)?.[1] ?? ("code" in error ? String(error.code) : error.message);
  // EAGAIN of a read or write is no shortage.
  const isCall = code !== "EAGAIN" || !("syscall" in error) || String(error.syscall).startsWith("spawn");
  return code in ADVICE && isCall ? code : shortageOf(error.cause);
}
