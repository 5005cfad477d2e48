import { closeSync, constants, fstatSync, openSync, type Stats, statSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { isatty, WriteStream } from "node:tty";
import { readDescriptorFlags } from "../files/descriptor-flags.ts";
import { isSystemError } from "../go/errno.ts";

/** Something to write to that never makes the process wait. */
export interface NonBlocking {
  /**
   * @param length bytes of `bytes` from `start` on
   * @returns how many were written; 0 while the reader is behind
   * @throws the system's error
   */
  write(bytes: Uint8Array, start: number, length: number): number;
  /** False for a pipe whose readers are all gone, and for a FIFO that has had none yet. */
  hasReader(): boolean;
  /** Closes what was opened for it. */
  close(): void;
}

/**
 * Writes to a descriptor that the process was started with. Its open file description belongs to other processes too: a
 * shell, a terminal, the phases of a build. They would fail with EAGAIN if it did not block any more. So a pipe is opened once
 * more, for a description of our own; where that is impossible (a socket, a terminal, another user's pipe), the shared
 * description does not block for the time of each write.
 *
 * Files and devices are written as they are: signals cannot interrupt a disk anyway.
 */
export function nonBlocking(descriptor: number): NonBlocking {
  const stats = fstatSync(descriptor);
  const { isReadOnly, isNonBlocking } = readDescriptorFlags(descriptor);
  const isPipe = stats.isFIFO() && !isReadOnly;
  // Asked now too, because it cannot be found out with fewer rights.
  let hasReaders = !isPipe || hasPipeReader(descriptor);
  const hasReader = () => {
    hasReaders &&= !isPipe || hasPipeReader(descriptor);
    return hasReaders;
  };
  const own = isPipe ? reopen(descriptor, stats) : undefined;
  if (own !== undefined) return { write: writerTo(own), hasReader, close: () => closeSync(own) };
  const close = () => undefined;
  const handle = isPipe || stats.isSocket() || isatty(descriptor) ? streamHandle(descriptor) : undefined;
  if (handle === undefined) return { write: writerTo(descriptor), hasReader, close };
  // Of a terminal, which may be opened under `descriptor` once more.
  const write = writerTo(handle.fd);
  handle.setBlocking(!isNonBlocking);
  return {
    write(bytes, start, length) {
      handle.setBlocking(false);
      try {
        return write(bytes, start, length);
      } finally {
        handle.setBlocking(!isNonBlocking);
      }
    },
    hasReader,
    close,
  };
}

/**
 * Makes the open file description of standard output or error block, as the processes that share it expect. Node makes streams of
 * both as soon as a thread starts, if not before, and those of pipes and sockets do not block. Call it before anything is written.
 */
export function restoreBlocking(descriptor: 1 | 2): void {
  streamHandle(descriptor)?.setBlocking(true);
}

/**
 * Opens a path for writing, and creates a file where there is none. A FIFO without a reader is opened as soon as it has
 * one, and is behind until then.
 * @param disposition `O_APPEND` or `O_TRUNC`
 * @throws the system's error
 */
export function openNonBlocking(path: string, disposition: number): NonBlocking {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY | disposition;
  const tryOpen = (): number | undefined => {
    try {
      return openSync(path, flags, 0o666);
    } catch (error) {
      if (isSystemError(error) && error.code === "ENXIO" && statSync(path).isFIFO()) return undefined;
      throw error;
    }
  };
  let descriptor = tryOpen();
  return {
    write(bytes, start, length) {
      descriptor ??= tryOpen();
      return descriptor === undefined ? 0 : writerTo(descriptor)(bytes, start, length);
    },
    hasReader: () => descriptor !== undefined,
    close() {
      if (descriptor !== undefined) closeSync(descriptor);
    },
  };
}

function writerTo(descriptor: number): NonBlocking["write"] {
  return (bytes, start, length) => {
    try {
      return writeSync(descriptor, bytes, start, length);
    } catch (error) {
      if (isSystemError(error) && error.code === "EAGAIN") return 0;
      throw error;
    }
  };
}

/** @returns undefined for a pipe that is another user's or has no reader, and without procfs */
function reopen(descriptor: number, stats: Stats): number | undefined {
  try {
    const own = openAgain(descriptor);
    const { dev, ino } = fstatSync(own);
    if (dev === stats.dev && ino === stats.ino) return own;
    closeSync(own);
  } catch {
    // It is written through the shared description.
  }
  return undefined;
}

function hasPipeReader(descriptor: number): boolean {
  try {
    closeSync(openAgain(descriptor));
    return true;
  } catch (error) {
    return !isSystemError(error) || error.code !== "ENXIO";
  }
}

function openAgain(descriptor: number): number {
  return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK);
}

/** What libuv writes to a stream with. */
interface StreamHandle {
  readonly fd: number;
  /** Of the open file description. */
  setBlocking(isBlocking: boolean): void;
}

/**
 * Node has no public way to O_NONBLOCK: a stream of a pipe, socket or terminal has it set, and the stream's handle can change it.
 * @returns undefined for anything else
 */
function streamHandle(descriptor: number): StreamHandle | undefined {
  try {
    const handle: unknown = Reflect.get(streamOf(descriptor), "_handle");
    return isStreamHandle(handle) ? handle : undefined;
  } catch {
    // A kind of socket that Node has no stream for.
    return undefined;
  }
}

function streamOf(descriptor: number): Writable {
  if (descriptor === 1) return process.stdout;
  if (descriptor === 2) return process.stderr;
  return isatty(descriptor) ? new WriteStream(descriptor) : new Socket({ fd: descriptor, readable: false });
}

function isStreamHandle(handle: unknown): handle is StreamHandle {
  if (typeof handle !== "object" || handle === null || !("fd" in handle) || !("setBlocking" in handle)) return false;
  return typeof handle.fd === "number" && typeof handle.setBlocking === "function";
}
