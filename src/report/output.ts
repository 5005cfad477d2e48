import { constants, fstatSync, type Stats, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type NonBlocking, nonBlocking, openNonBlocking } from "./non-blocking.ts";

/** Takes whole lines, each with its newline. Never waits for a reader, and never throws. */
export interface LineSink {
  write(lines: string): void;
}

export interface OutputSink extends LineSink {
  readonly pendingBytes: number;
  readonly failure: unknown;
  /** False if the last write failed, or the next one will because the reader is gone. */
  isWritable(): boolean;
  /**
   * Waits for the reader.
   * @returns false as soon as the reader has taken nothing for `timeoutMs`, or `signal` is aborted
   */
  finish(options?: FinishOptions): Promise<boolean>;
}

export interface FinishOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A pipe writes this many bytes atomically, so that the lines of two processes never mix (PIPE_BUF, pipe(7)). */
const ATOMIC_BYTES = 4096;

const MIN_WAIT_MS = 1;
const MAX_WAIT_MS = 32;

const NEWLINE = 10;

/**
 * The sink of the log, progress, events and documents. Writes at once as much as the reader takes, and buffers the
 * rest: the process never blocks in a write, where it would not see a signal, and a slow reader misses nothing. A
 * failed write loses its lines. Later lines are tried again, because the disk may have room by then.
 */
export class Output implements OutputSink {
  #failure: unknown;
  readonly #target: NonBlocking;
  #bytes = Buffer.alloc(0);
  #start = 0;
  #nextLines: string[] = [];
  #nextBytes = 0;
  #takenBytes = 0;
  #waitMs = MIN_WAIT_MS;
  #retry: NodeJS.Timeout | undefined;

  constructor(target: NonBlocking) {
    this.#target = target;
  }

  get pendingBytes(): number {
    return this.#bytes.length - this.#start + this.#nextBytes;
  }

  get failure(): unknown {
    return this.#failure;
  }

  write(lines: string): void {
    this.#nextLines.push(lines);
    this.#nextBytes += Buffer.byteLength(lines);
    if (this.#retry === undefined) this.#drain();
  }

  isWritable(): boolean {
    return this.#failure === undefined && this.#target.hasReader();
  }

  async finish({ timeoutMs = Number.POSITIVE_INFINITY, signal }: FinishOptions = {}): Promise<boolean> {
    let [takenBytes, sinceMs] = [this.#takenBytes, performance.now()];
    while (this.pendingBytes > 0) {
      await delay(this.#waitMs);
      const nowMs = performance.now();
      if (this.#takenBytes > takenBytes) [takenBytes, sinceMs] = [this.#takenBytes, nowMs];
      else if (nowMs - sinceMs >= timeoutMs || signal?.aborted) return false;
    }
    return true;
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#drop();
    this.#target.close();
  }

  #drain(): void {
    this.#retry = undefined;
    try {
      while (this.#refill()) {
        const taken = this.#target.write(this.#bytes, this.#start, this.#chunkBytes());
        if (taken === 0) {
          this.#retryLater();
          return;
        }
        this.#start += taken;
        this.#takenBytes += taken;
        this.#waitMs = MIN_WAIT_MS;
      }
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error;
      this.#drop();
    }
  }

  /** Takes the next lines once the last ones are written. @returns false if there are none */
  #refill(): boolean {
    if (this.#start === this.#bytes.length) {
      this.#bytes = Buffer.from(this.#nextLines.join(""));
      [this.#start, this.#nextLines, this.#nextBytes] = [0, [], 0];
    }
    return this.#bytes.length > 0;
  }

  #chunkBytes(): number {
    const left = this.#bytes.length - this.#start;
    if (left <= ATOMIC_BYTES) return left;
    const last = this.#bytes.lastIndexOf(NEWLINE, this.#start + ATOMIC_BYTES - 1);
    const end = last >= this.#start ? last : this.#bytes.indexOf(NEWLINE, this.#start);
    return end < 0 ? left : end + 1 - this.#start;
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => this.#drain(), this.#waitMs);
    this.#waitMs = Math.min(2 * this.#waitMs, MAX_WAIT_MS);
  }

  #drop(): void {
    this.#bytes = Buffer.alloc(0);
    [this.#start, this.#nextLines, this.#nextBytes] = [0, [], 0];
  }
}

/**
 * Standard output and error by file: two outputs on one pipe would reorder lines, so descriptors of one file share one.
 */
const standard = new Map<string, Output>();

export function standardOutput(descriptor: 1 | 2): Output {
  const identity = identityOf(fstatSync(descriptor));
  const output = standard.get(identity) ?? new Output(nonBlocking(descriptor));
  standard.set(identity, output);
  return output;
}

export interface OpenedOutput {
  readonly output: OutputSink;
  close(): void;
}

/**
 * Opens an inherited descriptor, or a path: a file, which is created if missing, a device, or a FIFO, even without a
 * reader.
 * @param disposition of a path: `O_APPEND` or `O_TRUNC`
 * @throws the system's error
 */
export function openOutput(target: string | number, disposition: number = constants.O_APPEND): OpenedOutput {
  const shared = findStandard(target);
  if (shared !== undefined) return { output: shared, close: () => undefined };
  const output = new Output(typeof target === "number" ? nonBlocking(target) : openNonBlocking(target, disposition));
  return { output, close: () => output.close() };
}

export async function writeDocument(path: string, text: string, options: FinishOptions = {}): Promise<void> {
  const { output, close } = openOutput(path, constants.O_TRUNC);
  try {
    output.write(text);
    const isTaken = await output.finish(options);
    if (output.failure !== undefined) throw output.failure;
    if (!isTaken) throw new Error("nothing reads it");
  } finally {
    close();
  }
}

function findStandard(target: string | number): Output | undefined {
  try {
    return standard.get(identityOf(typeof target === "number" ? fstatSync(target) : statSync(target)));
  } catch {
    // Opening it reports why.
    return undefined;
  }
}

function identityOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

export interface LinePrinter {
  print(lines: string, sink: LineSink, onScreen: boolean): void;
}

export type PassedStream = "inherit" | "ignore";

export class CommandOutput {
  readonly out: LineSink;
  readonly err: LineSink;
  readonly screen: OutputSink;
  readonly #streams: readonly [OutputSink, OutputSink];
  #printer: LinePrinter | undefined;

  constructor(out: OutputSink, err: OutputSink) {
    this.screen = out;
    this.#streams = [out, err];
    this.out = { write: (lines) => this.#write(lines, out, true) };
    this.err = { write: (lines) => this.#write(lines, err, false) };
  }

  printThrough(printer: LinePrinter | undefined): void {
    this.#printer = printer;
  }

  async finish(options: FinishOptions): Promise<void> {
    await Promise.all(this.#streams.map((stream) => stream.finish(options)));
  }

  /**
   * Waits until the readers have taken all lines, so that a child process's lines come after them. An unwritable stream
   * is not passed on: SIGPIPE or an unexpected error would end the child process.
   * @param signal ends the wait
   */
  async passOn(signal: AbortSignal): Promise<readonly [out: PassedStream, err: PassedStream]> {
    await this.finish({ signal });
    const [out, err] = this.#streams;
    return [out.isWritable() ? "inherit" : "ignore", err.isWritable() ? "inherit" : "ignore"];
  }

  #write(lines: string, sink: LineSink, onScreen: boolean): void {
    if (this.#printer === undefined) sink.write(lines);
    else this.#printer.print(lines, sink, onScreen);
  }
}
