import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { posix } from "node:path";

const SHELL = "/bin/sh";

let givenOpenFiles: string | undefined;

/**
 * Remembers the soft limit of open files that the process was started with, for the programs that it starts. Node.js
 * raises its own to the hard limit, and programs inherit that: some then close or make room for a billion descriptors.
 * Go gives programs the original limit back (docs/compatibility.md#open-files).
 * @param limit a decimal number; "" or undefined if Node.js did not raise it, or nothing is known
 */
export function rememberOpenFiles(limit: string | undefined): void {
  givenOpenFiles = /^\d+$/.test(limit ?? "") ? limit : undefined;
}

export interface ChildCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/**
 * Node.js has no setrlimit(2), so a shell sets the limit and becomes the program. Without a shell, or if the program is
 * missing, it is started directly.
 * @param path PATH of the program's environment
 */
export function childCommand(program: string, args: readonly string[], path: string | undefined): ChildCommand {
  const found = givenOpenFiles === undefined || !isExecutable(SHELL) ? undefined : findProgram(program, path);
  if (givenOpenFiles === undefined || found === undefined) return { program, args };
  return { program: SHELL, args: ["-c", 'ulimit -Sn "$1"; shift; exec "$@"', "sh", givenOpenFiles, found, ...args] };
}

/**
 * Like Go's exec.LookPath: an executable file, given by its path or found in PATH, of which relative directories are
 * ignored.
 */
export function findProgram(program: string, path = ""): string | undefined {
  if (program.includes("/")) return isExecutable(program) ? program : undefined;
  return path
    .split(":")
    .filter((directory) => posix.isAbsolute(directory))
    .map((directory) => posix.join(directory, program))
    .find(isExecutable);
}

/**
 * Why execve(2) fails for a script whose interpreter cannot be executed; its error does not name the interpreter.
 * @returns undefined for any other program
 */
export function interpreterFlaw(program: string): string | undefined {
  const [, interpreter] = /^#![ \t]*(\S+)/.exec(beginningOf(program)) ?? [];
  return interpreter === undefined || isExecutable(interpreter)
    ? undefined
    : `${program} needs ${interpreter}, which is missing or cannot be executed`;
}

/** Whether a program is for another processor than this one's. The kernel may run it all the same (binfmt_misc). */
export function isForeign(program: string): boolean {
  const kind = processorOf(program);
  return kind !== undefined && kind !== processorOf(process.execPath);
}

/** Class, byte order and machine of an ELF file (elf(5)). */
function processorOf(path: string): string | undefined {
  const head = beginningOf(path);
  return head.startsWith("\x7fELF") ? head.slice(4, 6) + head.slice(18, 20) : undefined;
}

/** Linux looks for the interpreter in as many bytes. */
function beginningOf(path: string): string {
  const bytes = Buffer.alloc(256);
  try {
    const file = openSync(path, constants.O_RDONLY);
    try {
      return bytes.toString("latin1", 0, readSync(file, bytes));
    } finally {
      closeSync(file);
    }
  } catch {
    return "";
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
