import { getSystemErrorMessage } from "node:util";
import { Fault, type FaultCode, type FaultDetails } from "./fault.ts";

/** Go prints errno texts in lower case as the C library words them (`no such file or directory`). */
const GO_TEXT: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  ELOOP: "too many levels of symbolic links",
  ENOSPC: "no space left on device",
  EROFS: "read-only file system",
  EMFILE: "too many open files",
  EEXIST: "file exists",
  ENAMETOOLONG: "file name too long",
  EIO: "input/output error",
  EDQUOT: "disk quota exceeded",
  EINVAL: "invalid argument",
};

/** True for an error that Node's fs threw, which has `code`, `errno` and `syscall`. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string" && "syscall" in error;
}

/** True when the error says that the file does not exist; the contract's only meaning of "missing" (section 2). */
export function isNotExist(error: unknown): boolean {
  return isSystemError(error) && error.code === "ENOENT";
}

/** The text Go prints after the path for the same errno. */
export function goErrnoText(error: NodeJS.ErrnoException): string {
  const known = error.code === undefined ? undefined : GO_TEXT[error.code];
  if (known !== undefined) return known;
  return error.errno === undefined ? error.message : getSystemErrorMessage(error.errno);
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
  const text = isSystemError(error) ? goErrnoText(error) : String(error instanceof Error ? error.message : error);
  return new Fault(code, `${operation} ${path}: ${text}`, { ...details, cause: error });
}
