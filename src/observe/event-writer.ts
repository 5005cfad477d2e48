import { fstatSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { Fault } from "../errors/fault.ts";
import { withoutSecrets } from "../errors/secrets.ts";
import { readDescriptorFlags } from "../files/descriptor-flags.ts";
import { isInside } from "../files/directories.ts";
import { wellFormed } from "../go/byte-string.ts";
import { pathFault } from "../go/errno.ts";
import { absolutePath } from "../process/environment.ts";
import { type OpenedOutput, openOutput } from "../report/output.ts";
import type { ExportEvent } from "./events.ts";
import { bytesText } from "./quantities.ts";

const PIPE = /^pipe:\[\d+\]$/;

/**
 * Parses `-events`: a path, or `fd:<number>` or a number for a descriptor that the caller opened. Call it before the
 * export opens descriptors of its own.
 * @param cwd absolute, or "" if it was deleted; a path is resolved against it
 * @returns an absolute path, a descriptor, or "" for none
 * @throws Fault with exit code 3 for a descriptor that the caller has not opened for writing
 */
export function parseEventTarget(target: string, cwd: string): string | number {
  if (target === "") return "";
  const number = /^(?:fd:)?(\d+)$/.exec(target)?.[1];
  if (number === undefined && !target.startsWith("fd:")) return absolutePath(cwd, target);
  const descriptor = Number(number);
  if (number === undefined || !isWritable(descriptor) || isOwnPipe(descriptor))
    throw new Fault(
      "EXPORT_ARGS_INVALID",
      `-events (CNB_EXPORT_EVENTS) is ${target}, which is not a descriptor that the caller opened for writing`,
      {
        exitCode: EXIT_CODES.invalidArgs,
        hint: "Give a file, or open the descriptor, e.g. -events fd:3 3>events.jsonl.",
      },
    );
  return descriptor;
}

/** Devices and FIFOs have no contents that an image could have. */
export function isEventFileInside(directory: string, target: string | number): boolean {
  if (typeof target === "number" || target === "") return false;
  try {
    return isInside(directory, target) && (statSync(target, { throwIfNoEntry: false })?.isFile() ?? true);
  } catch {
    // Opening it reports why.
    return false;
  }
}

function isWritable(descriptor: number): boolean {
  try {
    const stats = fstatSync(descriptor);
    const isKnown = stats.isFile() || stats.isFIFO() || stats.isSocket() || stats.isCharacterDevice();
    return isKnown && !readDescriptorFlags(descriptor).isReadOnly;
  } catch {
    return false;
  }
}

function isOwnPipe(descriptor: number): boolean {
  const name = readLink(descriptor);
  if (!PIPE.test(name)) return false;
  const descriptors = readdirSync("/proc/self/fd").map(Number);
  return descriptors.some((other) => readLink(other) === name && readDescriptorFlags(other).isReadOnly);
}

function readLink(descriptor: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    // The descriptor is closed, or procfs is unavailable.
    return "";
  }
}

export interface EventWriter {
  write(event: ExportEvent): void;
  /**
   * Waits for the reader until it has read nothing for `timeoutMs`.
   * @returns why events were lost; undefined if none were
   */
  close(timeoutMs: number): Promise<string | undefined>;
}

const NOWHERE: EventWriter = { write: () => undefined, close: async () => undefined };

const MAX_PENDING_BYTES = 16 << 20;

const MAX_UNOPENED_MS = 2_000;

/**
 * Writes one JSON object per line. The export neither waits for the reader nor fails with a write.
 * @param target a path, an open descriptor, or "" for none
 * @throws Fault if the file cannot be opened
 */
export function openEvents(target: string | number): EventWriter {
  if (target === "") return NOWHERE;
  const path = typeof target === "number" ? `fd:${target}` : target;
  try {
    return eventWriter(path, openOutput(target));
  } catch (error) {
    throw openFault(path, error);
  }
}

/**
 * Throws what {@link openEvents} would throw later, and creates the file. Leaves a FIFO alone, because its reader would
 * see the end of its input.
 */
export function requireEvents(target: string | number): void {
  if (typeof target === "number" || target === "") return;
  try {
    if (!statSync(target, { throwIfNoEntry: false })?.isFIFO()) openOutput(target).close();
  } catch (error) {
    throw openFault(target, error);
  }
}

function openFault(path: string, error: unknown): Fault {
  return pathFault("EXPORT_REPORT_EVENTS", "open", path, error);
}

function eventWriter(path: string, { output, close }: OpenedOutput): EventWriter {
  let failure: unknown;
  let lost = 0;
  let isOpen = true;
  return {
    write(event) {
      // Tasks may outlive a failed export, and the descriptor may already refer to another file.
      if (!isOpen) return;
      failure ??= output.failure;
      // After a failure the file may end in a partial line.
      if (failure !== undefined || output.pendingBytes > MAX_PENDING_BYTES) {
        lost += 1;
        return;
      }
      output.write(`${withoutSecrets(JSON.stringify(event, wellFormed))}\n`);
      failure = output.failure;
    },
    async close(timeoutMs) {
      const limitMs = output.isWritable() ? timeoutMs : Math.min(timeoutMs, MAX_UNOPENED_MS);
      const isTaken = failure !== undefined || (await output.finish({ timeoutMs: limitMs }));
      failure ??= output.failure;
      isOpen = false;
      try {
        close();
      } catch (error) {
        failure ??= error;
      }
      if (failure !== undefined) return pathFault("EXPORT_REPORT_EVENTS", "write", path, failure).message;
      if (!isTaken) return `write ${path}: nothing was read from it for ${limitMs / 1000} s`;
      if (lost > 0)
        return `write ${path}: ${lost} were dropped, because its reader lagged ${bytesText(MAX_PENDING_BYTES)} behind`;
      return undefined;
    },
  };
}
