import { fstatSync, readdirSync, readlinkSync } from "node:fs";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { readDescriptorFlags } from "../faults/descriptor-flags.ts";
import { Fault } from "../faults/fault.ts";
import { absolutePath } from "./absolute-path.ts";

/** Name of an anonymous pipe in `/proc/self/fd`. */
const PIPE = /^pipe:\[\d+\]$/;

/**
 * Parses `-events`: a path, or `fd:<number>` or a number for a descriptor that the caller opened. Call it before the export opens
 * descriptors of its own.
 * @param cwd absolute, or "" when it was deleted; a path is resolved against it
 * @returns an absolute path, a descriptor, or "" for nowhere
 * @throws Fault with exit code 3 for a descriptor that the caller has not opened for writing
 */
export function parseEventTarget(target: string, cwd: string): string | number {
  if (target === "") return "";
  const number = /^(?:fd:)?(\d+)$/.exec(target)?.[1];
  if (number === undefined && !target.startsWith("fd:")) return absolutePath(cwd, target);
  const descriptor = Number(number);
  if (number === undefined || !isWritable(descriptor) || isOwnPipe(descriptor))
    throw new Fault(
      "EXPORT_ARGS_TUNING",
      `-events (CNB_EXPORT_EVENTS) is ${target}, which is no descriptor that the caller opened for writing`,
      {
        exitCode: EXIT_CODES.invalidArgs,
        hint: "Give a file, or open the descriptor, e.g. -events fd:3 3>events.jsonl.",
      },
    );
  return descriptor;
}

/** The runtime's own event queues have numbers too, but are no file, pipe, socket or device. */
function isWritable(descriptor: number): boolean {
  try {
    const stats = fstatSync(descriptor);
    const isKnown = stats.isFile() || stats.isFIFO() || stats.isSocket() || stats.isCharacterDevice();
    return isKnown && !readDescriptorFlags(descriptor).isReadOnly;
  } catch {
    return false;
  }
}

/** Whether it is one of the pipes that the runtime opened to talk to itself: the other end is in this process too. */
function isOwnPipe(descriptor: number): boolean {
  const name = linkOf(descriptor);
  if (!PIPE.test(name)) return false;
  const descriptors = readdirSync("/proc/self/fd").map(Number);
  return descriptors.some((other) => linkOf(other) === name && readDescriptorFlags(other).isReadOnly);
}

function linkOf(descriptor: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    // Closed by now, or there is no procfs.
    return "";
  }
}
