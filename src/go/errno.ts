import { constants } from "node:os";
import { getSystemErrorMessage } from "node:util";
import { Fault, type FaultCode, type FaultDetails, messageOf } from "../errors/fault.ts";

/**
 * Go's texts (syscall, zerrors_linux) of file system errors that Node words differently; by number, because libuv has
 * no names for ESTALE and EDQUOT.
 */
const GO_TEXT = {
  EIO: "input/output error",
  ENOMEM: "cannot allocate memory",
  EBUSY: "device or resource busy",
  EEXIST: "file exists",
  EXDEV: "invalid cross-device link",
  EISDIR: "is a directory",
  ENFILE: "too many open files in system",
  ETXTBSY: "text file busy",
  ESPIPE: "illegal seek",
  ENAMETOOLONG: "file name too long",
  ELOOP: "too many levels of symbolic links",
  EOPNOTSUPP: "operation not supported",
  ESTALE: "stale file handle",
  EDQUOT: "disk quota exceeded",
} satisfies Partial<Record<keyof typeof constants.errno, string>>;

const GO_TEXT_BY_NUMBER: ReadonlyMap<number, string> = new Map(
  Object.entries(GO_TEXT).map(([name, text]) => [constants.errno[name as keyof typeof GO_TEXT], text]),
);

/** @param codes those to accept; by default, all */
export function isSystemError(
  error: unknown,
  ...codes: readonly string[]
): error is NodeJS.ErrnoException & { code: string } {
  if (!(Error.isError(error) && "code" in error && typeof error.code === "string" && "syscall" in error)) return false;
  return codes.length === 0 || codes.includes(error.code);
}

export function isNotExist(error: unknown): boolean {
  return isSystemError(error, "ENOENT");
}

export function goErrnoText(error: NodeJS.ErrnoException): string {
  if (error.errno === undefined) return error.message;
  // Node gives most error numbers negated, but not those of setuid(2) and setgid(2).
  const number = Math.abs(error.errno);
  return GO_TEXT_BY_NUMBER.get(number) ?? getSystemErrorMessage(-number);
}

export function operationOf(error: unknown): "open" | "write" {
  return isSystemError(error) && error.syscall !== "write" ? "open" : "write";
}

/**
 * An fs error as Go's `*PathError` prints it: `<operation> <path>: <text>`.
 * @param operation Go's word for the failed call, e.g. `open`, `lstat`, `stat`.
 */
export function pathFault(
  code: FaultCode,
  operation: string,
  path: string,
  error: unknown,
  details: FaultDetails = {},
): Fault {
  return new Fault(code, `${operation} ${path}: ${goReason(error)}`, { ...details, cause: error });
}

/** Go's text for an error of a system call, otherwise the error's message. */
export function goReason(error: unknown): string {
  if (isSystemError(error)) return goErrnoText(error);
  // Node refuses a path with a NUL itself; Go gives it the number EINVAL.
  return hasCode(error, "ERR_INVALID_ARG_VALUE") ? "invalid argument" : messageOf(error);
}

function hasCode(error: unknown, code: string): boolean {
  return Error.isError(error) && "code" in error && error.code === code;
}
