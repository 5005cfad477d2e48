import { closeSync, constants, fstatSync, openSync, type Stats, statSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { isatty, WriteStream } from "node:tty";
import { readDescriptorFlags } from "../files/descriptor-flags.ts";
import { isSystemError } from "../go/errno.ts";

export interface NonBlocking {
  /**
   * @returns the bytes of `bytes` from `start` on that were written; 0 while the reader lags
   * @throws the system's error
   */
  write(bytes: Uint8Array, start: number, length: number): number;
  /** False for a pipe whose readers are all gone, and for a FIFO that has had none yet. */
  hasReader(): boolean;
  close(): void;
}

/**
 * Writes to a descriptor that the process inherited. Its open file description belongs to other processes too (a shell,
 * a terminal, other build phases), which would fail with EAGAIN if it became non-blocking. So a pipe is reopened, for a
 * description of our own; where that is impossible (a socket, a terminal, another user's pipe), the shared description
 * is non-blocking only during each write.
 *
 * Files and devices are written as they are: signals cannot interrupt a disk anyway.
 */
export function nonBlocking(descriptor: number): NonBlocking {
  const stats = fstatSync(descriptor);
  const { isReadOnly, isNonBlocking } = readDescriptorFlags(descriptor);
  const isPipe = stats.isFIFO() && !isReadOnly;
  // Checked now, because the process may not see readers after it drops its privileges.
  let hasReaders = !isPipe || hasPipeReader(descriptor);
  const hasReader = () => {
    hasReaders &&= !isPipe || hasPipeReader(descriptor);
    return hasReaders;
  };
  const own = isPipe ? reopen(descriptor, stats) : undefined;
  if (own !== undefined) return { write: writerTo(own), hasReader, close: () => closeSync(own) };
  const close = () => undefined;
  const handle =
    isPipe || stats.isSocket() || (stats.isCharacterDevice() && isatty(descriptor))
      ? streamHandle(descriptor)
      : undefined;
  if (handle === undefined) return { write: writerTo(descriptor), hasReader, close };
  // A terminal's stream opens it a second time under `descriptor`.
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
 * Creates Node's stream of standard output or error without a change to the open file description, which other
 * processes share. Node creates streams of both at the latest when a thread starts or a socket closes, and makes those
 * of pipes and sockets non-blocking.
 */
export function createStandardStream(descriptor: 1 | 2): void {
  const { isNonBlocking } = readDescriptorFlags(descriptor);
  streamHandle(descriptor)?.setBlocking(!isNonBlocking);
}

/**
 * Opens a path for writing, and creates a missing file. A FIFO without a reader is opened as soon as it has one; until
 * then writes return 0.
 * @param disposition `O_APPEND` or `O_TRUNC`
 * @throws the system's error
 */
export function openNonBlocking(path: string, disposition: number): NonBlocking {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY | disposition;
  const tryOpen = (): number | undefined => {
    try {
      return openSync(path, flags, 0o666);
    } catch (error) {
      if (isSystemError(error, "ENXIO") && statSync(path).isFIFO()) return undefined;
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
      if (isSystemError(error, "EAGAIN")) return 0;
      throw error;
    }
  };
}

function reopen(descriptor: number, stats: Stats): number | undefined {
  try {
    const own = openAgain(descriptor);
    const { dev, ino } = fstatSync(own);
    if (dev === stats.dev && ino === stats.ino) return own;
    closeSync(own);
  } catch {
    // Write through the shared description instead.
  }
  return undefined;
}

function hasPipeReader(descriptor: number): boolean {
  try {
    closeSync(openAgain(descriptor));
    return true;
  } catch (error) {
    return !isSystemError(error, "ENXIO");
  }
}

function openAgain(descriptor: number): number {
  return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK);
}

interface StreamHandle {
  readonly fd: number;
  setBlocking(isBlocking: boolean): void;
}

/**
 * Node has no public access to O_NONBLOCK: a stream of a pipe, socket or terminal has it set, and the stream's handle
 * can change it.
 * @returns undefined for anything else
 */
function streamHandle(descriptor: number): StreamHandle | undefined {
  try {
    const handle: unknown = Reflect.get(openStream(descriptor), "_handle");
    return isStreamHandle(handle) ? handle : undefined;
  } catch {
    // Node has no stream for this kind of socket.
    return undefined;
  }
}

function openStream(descriptor: number): Writable {
  if (descriptor === 1) return process.stdout;
  if (descriptor === 2) return process.stderr;
  return isatty(descriptor) ? new WriteStream(descriptor) : new Socket({ fd: descriptor, readable: false });
}

function isStreamHandle(handle: unknown): handle is StreamHandle {
  if (typeof handle !== "object" || handle === null || !("fd" in handle) || !("setBlocking" in handle)) return false;
  return typeof handle.fd === "number" && typeof handle.setBlocking === "function";
}
