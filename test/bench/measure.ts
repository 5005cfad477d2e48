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
  /** Each line of stdout and of descriptor 3, with the ms since the start, as it comes. */
  readonly onLine?: (line: string, atMs: number) => void;
}

/** What a process, with all the processes that it waited for, took of the machine. */
export interface Usage {
  readonly wallMs: number;
  /** User and system time, in steps of 10 ms. */
  readonly cpuMs: number;
  /** User and system time of the first process's main thread. */
  readonly mainThreadMs?: number | undefined;
  /** The largest resident sizes, in bytes, of the processes that lived at one time. */
  readonly peakBytes: number;
  /** The largest anonymous size seen, in bytes: what the kernel cannot drop under a memory limit, as it can a program's pages. */
  readonly anonymousBytes?: number | undefined;
  /** Handed to disks, in bytes; files that were deleted again count. */
  readonly writtenBytes: number;
}

const SAMPLE_MS = 20;

/**
 * The kernel adds the times and the I/O of a process to those of the one that waits for it. So a shell waits, and tells its
 * own at the end on descriptor 4, which the command does not have.
 */
const WAIT = `"$@" 4>&-; status=$?; { cat "/proc/$$/stat"; cat "/proc/$$/io"; } >&4; exit $status`;

/** @throws Error with its output when the command fails */
export async function measure({ command, args, env = {}, onLine = () => undefined }: Command): Promise<Usage> {
  const started = performance.now();
  const child = spawn("/bin/sh", ["-c", WAIT, "sh", command, ...args], {
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
  return { cpuMs: parseTimes(accounts).childrenMs, writtenBytes: parseWritten(accounts) };
}

/** Reads now and then what hardly shrinks, so that little is missed: sizes of all below the shell, the main thread's time. */
function startSampler(shell: number): {
  stop(): void;
  samples(): Pick<Usage, "peakBytes" | "anonymousBytes" | "mainThreadMs">;
} {
  let [peakBytes, anonymousBytes, mainThreadMs] = [0, 0, 0];
  const sample = (): void => {
    peakBytes = Math.max(peakBytes, sumBelow(shell, peakOf));
    anonymousBytes = Math.max(anonymousBytes, sumBelow(shell, anonymousOf));
    const first = childrenOf(shell)[0];
    mainThreadMs = Math.max(mainThreadMs, parseTimes(readProc(`${first}/task/${first}/stat`)).ownMs);
  };
  const timer = setInterval(sample, SAMPLE_MS);
  return { stop: () => clearInterval(timer), samples: () => ({ peakBytes, anonymousBytes, mainThreadMs }) };
}

function sumBelow(process: number, sizeOf: (process: number) => number): number {
  return childrenOf(process).reduce((sum, child) => sum + sizeOf(child) + sumBelow(child, sizeOf), 0);
}

/* What Linux says of processes (proc(5)). A process that is not there, or gone, has nothing. */

/** Times are told in steps of 1/100 s. */
const TICK_MS = 10;

/** @param path below /proc */
export function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    return "";
  }
}

/** What was started by a process's main thread and still is. */
export function childrenOf(process: number): number[] {
  return readProc(`${process}/task/${process}/children`).split(" ").filter(Boolean).map(Number);
}

/** User and system time in a stat file's text: the own one, and that of children that were waited for. In ms. */
export function parseTimes(stat: string): { readonly ownMs: number; readonly childrenMs: number } {
  const fields = stat.slice(stat.lastIndexOf(") ") + 2).split(" ");
  const time = (field: number): number => Number(fields[field] ?? 0) * TICK_MS;
  return { ownMs: time(11) + time(12), childrenMs: time(13) + time(14) };
}

/** The largest resident size until now, in bytes. */
export function peakOf(process: number): number {
  return sizeOf(process, "VmHWM");
}

/** The resident size that is no file's, in bytes. */
export function anonymousOf(process: number): number {
  return sizeOf(process, "RssAnon");
}

function sizeOf(process: number, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readProc(`${process}/status`))?.[1] ?? 0) * 1024;
}

/** Bytes that were handed to disks, in an io file's text. */
export function parseWritten(io: string): number {
  return Number(/^write_bytes: (\d+)$/m.exec(io)?.[1] ?? Number.NaN);
}
