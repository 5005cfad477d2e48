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
  /** The largest resident sizes, in bytes, of the processes that lived at one time. */
  readonly peakBytes: number;
  /** Handed to disks, in bytes; files that were deleted again count. */
  readonly writtenBytes: number;
}

const SAMPLE_MS = 20;
const TICK_MS = 10;

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
  const peak = samplePeak(child.pid ?? 0);
  child.once("exit", peak.stop);
  const exited = once(child, "exit").then(since);
  await once(child, "close");
  const wallMs = await exited;
  if (child.exitCode !== 0) throw new Error(`${command} ended with ${child.exitCode}:\n${tail.join("\n")}`);
  return { wallMs, peakBytes: peak.bytes(), ...parseAccounts(await accounts) };
}

function pipe(child: ChildProcess, descriptor: number): Readable {
  const stream = child.stdio[descriptor];
  if (stream === null || stream === undefined || !("read" in stream)) throw new Error(`no pipe ${descriptor}`);
  return stream;
}

/** proc(5): fields 16 and 17 of stat are the times of waited-for children, in ticks of 1/100 s. */
function parseAccounts(accounts: string): Pick<Usage, "cpuMs" | "writtenBytes"> {
  const fields = accounts.slice(accounts.indexOf(") ") + 2).split(" ");
  const ticks = Number(fields[13]) + Number(fields[14]);
  const written = /^write_bytes: (\d+)$/m.exec(accounts)?.[1];
  return { cpuMs: ticks * TICK_MS, writtenBytes: Number(written ?? Number.NaN) };
}

/** Reads the high-water marks of all below the shell now and then; each only grows, so little is missed. */
function samplePeak(shell: number): { stop(): void; bytes(): number } {
  let bytes = 0;
  const sample = (): void => {
    bytes = Math.max(bytes, peakBelow(shell));
  };
  const timer = setInterval(sample, SAMPLE_MS);
  return { stop: () => clearInterval(timer), bytes: () => bytes };
}

function peakBelow(process: number | string): number {
  try {
    const children = readFileSync(`/proc/${process}/task/${process}/children`, "utf8").split(" ").filter(Boolean);
    return children.reduce((sum, child) => sum + peakOf(child) + peakBelow(child), 0);
  } catch {
    // Not there yet, or gone.
    return 0;
  }
}

function peakOf(process: string): number {
  const status = readFileSync(`/proc/${process}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
