import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";

/** A process to measure. */
export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it runs in a CPU cgroup of its own, as in a container: nice values count within it. Takes root. */
  readonly ownGroup?: boolean;
  /** Each line of stdout and of descriptor 3, with the ms since the start, as it comes. */
  readonly onLine?: (line: string, atMs: number) => void;
}

/** Resource usage of a process and of all processes that it waited for. */
export interface Usage {
  readonly wallMs: number;
  /** User and system time. */
  readonly cpuMs: number;
  /** User and system time of the first process's main thread. */
  readonly mainThreadMs?: number | undefined;
  /** Peak resident size, in bytes: the largest sum over the processes that lived at the same time. */
  readonly peakBytes: number;
  /** Peak anonymous size, in bytes: memory that the kernel cannot reclaim under a limit, unlike a program's pages. */
  readonly anonymousBytes?: number | undefined;
  /** Bytes written to disk, including files that were deleted later. */
  readonly writtenBytes: number;
}

const SAMPLE_MS = 20;

/**
 * The kernel adds the times and the I/O of a process to those of the parent that waits for it. So a shell waits, and
 * reports both on descriptor 4, which the command does not get. bash's `time` has milliseconds; /proc has steps of 10
 * ms.
 */
const WAIT = `TIMEFORMAT='cpu: %3U %3S'
exec 5>&2
{ time "$@" 2>&5 4>&- 5>&-; } 2>&4
status=$?
cat "/proc/$$/io" >&4
exit $status`;

/** The hierarchy of version 1, or the only one of version 2. */
const IN_OWN_GROUP = `for root in /sys/fs/cgroup/cpu /sys/fs/cgroup; do
  group=$root/tandem-bench-$$
  mkdir "$group" 2>/dev/null && echo $$ > "$group/cgroup.procs" && break
done
leave() {
  echo $$ > "$root/cgroup.procs"
  rmdir "$group"
}
[ -d "$group" ] && trap leave EXIT
${WAIT}`;

/** @throws Error with the last 30 lines of its output if the command fails */
export async function measure({
  command,
  args,
  env = {},
  ownGroup = false,
  onLine = () => undefined,
}: Command): Promise<Usage> {
  const started = performance.now();
  const child = spawn("bash", ["-c", ownGroup ? IN_OWN_GROUP : WAIT, "bash", command, ...args], {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"],
  });
  const tail: string[] = [];
  const since = (): number => performance.now() - started;
  const read = (stream: Readable): void => {
    createInterface(stream).on("line", (line) => {
      onLine(line, since());
      tail.push(line);
      if (tail.length > 30) tail.shift();
    });
  };
  read(pipe(child, 1));
  read(pipe(child, 2));
  read(pipe(child, 3));
  const accounts = text(pipe(child, 4));
  const sampler = startSampler(child.pid ?? 0);
  child.once("exit", sampler.stop);
  const exited = once(child, "exit").then(since);
  await once(child, "close");
  const wallMs = await exited;
  if (child.exitCode !== 0) throw new Error(`${command} ended with ${child.exitCode}:\n${tail.join("\n")}`);
  return { wallMs, ...sampler.samples(), ...parseAccounts(await accounts) };
}

function pipe(child: ChildProcess, descriptor: number): Readable {
  const stream = child.stdio[descriptor];
  if (stream === null || stream === undefined || !("read" in stream)) throw new Error(`no pipe ${descriptor}`);
  return stream;
}

function parseAccounts(accounts: string): Pick<Usage, "cpuMs" | "writtenBytes"> {
  const [, user, system] = /^cpu: ([\d.]+) ([\d.]+)$/m.exec(accounts) ?? [];
  return { cpuMs: Math.round((Number(user) + Number(system)) * 1000), writtenBytes: parseWritten(accounts) };
}

/** Samples peak sizes of all processes below the shell, and the main thread's time: figures that hardly ever shrink. */
function startSampler(shell: number): {
  stop(): void;
  samples(): Pick<Usage, "peakBytes" | "anonymousBytes" | "mainThreadMs">;
} {
  let [peakBytes, anonymousBytes, mainThreadMs] = [0, 0, 0];
  const sample = (): void => {
    peakBytes = Math.max(peakBytes, sumBelow(shell, peakOf));
    anonymousBytes = Math.max(anonymousBytes, sumBelow(shell, anonymousOf));
    const first = childrenOf(shell)[0];
    mainThreadMs = Math.max(mainThreadMs, timeOnCpu(`${first}/task/${first}`));
  };
  const timer = setInterval(sample, SAMPLE_MS);
  return { stop: () => clearInterval(timer), samples: () => ({ peakBytes, anonymousBytes, mainThreadMs }) };
}

function sumBelow(process: number, sizeOf: (process: number) => number): number {
  return childrenOf(process).reduce((sum, child) => sum + sizeOf(child) + sumBelow(child, sizeOf), 0);
}

/** Unit of the times in /proc. */
const TICK_MS = 10;

/** @param path below /proc. @returns "" if the process has ended */
export function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    return "";
  }
}

function childrenOf(process: number): number[] {
  return readProc(`${process}/task/${process}/children`).split(" ").filter(Boolean).map(Number);
}

/** User and system time of a process or thread without its children, in ms (proc_pid_stat(5)). */
export function cpuTimeOf(process: number | string): number {
  return cpuTimeIn(readProc(`${process}/stat`));
}

/** @param stat text of a stat file */
export function cpuTimeIn(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(") ") + 2).split(" ");
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_MS;
}

/** Time of a thread on a core, in ms, to the nanosecond: "sched-stats" in the kernel's documentation. */
function timeOnCpu(thread: string): number {
  return Number(readProc(`${thread}/schedstat`).split(" ")[0]) / 1e6;
}

/** Peak resident size so far, in bytes. */
export function peakOf(process: number): number {
  return sizeOf(process, "VmHWM");
}

function anonymousOf(process: number): number {
  return sizeOf(process, "RssAnon");
}

function sizeOf(process: number, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readProc(`${process}/status`))?.[1] ?? 0) * 1024;
}

/** Bytes written to disk, from the text of an io file (proc_pid_io(5)). */
export function parseWritten(io: string): number {
  return Number(/^write_bytes: (\d+)$/m.exec(io)?.[1] ?? Number.NaN);
}
