import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { goErrnoText, isNotExist, isSystemError, pathFault } from "../../../src/go/errno.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { thrownBy } from "../../support/thrown-by.ts";

// Printed by Go 1.26 on Linux: syscall.Errno's name, number and Error().
test.each([
  ["ENOENT", 2, "no such file or directory"],
  ["EACCES", 13, "permission denied"],
  ["EPERM", 1, "operation not permitted"],
  ["ENOTDIR", 20, "not a directory"],
  ["EISDIR", 21, "is a directory"],
  ["ELOOP", 40, "too many levels of symbolic links"],
  ["ENOSPC", 28, "no space left on device"],
  ["EROFS", 30, "read-only file system"],
  ["EMFILE", 24, "too many open files"],
  ["ENFILE", 23, "too many open files in system"],
  ["EEXIST", 17, "file exists"],
  ["ENAMETOOLONG", 36, "file name too long"],
  ["EIO", 5, "input/output error"],
  ["EDQUOT", 122, "disk quota exceeded"],
  ["EINVAL", 22, "invalid argument"],
  ["EBUSY", 16, "device or resource busy"],
  ["ENOTEMPTY", 39, "directory not empty"],
  ["EXDEV", 18, "invalid cross-device link"],
  ["ESTALE", 116, "stale file handle"],
  ["EFBIG", 27, "file too large"],
  ["EMLINK", 31, "too many links"],
  ["ENOMEM", 12, "cannot allocate memory"],
  ["EBADF", 9, "bad file descriptor"],
  ["ETXTBSY", 26, "text file busy"],
  ["ENXIO", 6, "no such device or address"],
  ["ENODEV", 19, "no such device"],
  ["ENOTSUP", 95, "operation not supported"],
  ["EPIPE", 32, "broken pipe"],
  ["ESPIPE", 29, "illegal seek"],
  ["EAGAIN", 11, "resource temporarily unavailable"],
  ["EINTR", 4, "interrupted system call"],
  ["ECONNREFUSED", 111, "connection refused"],
  ["ECONNRESET", 104, "connection reset by peer"],
  ["ETIMEDOUT", 110, "connection timed out"],
])("%s (%i) reads as in Go", (code, errno, text) => {
  const error = Object.assign(new Error(`${code}: something`), { code, errno: -errno, syscall: "open" });
  expect(goErrnoText(error)).toBe(text);
});

test("a path with a NUL, which Node refuses itself, is an invalid argument as in Go", () => {
  const error = thrownBy(() => readFileSync("/a\0b"));
  expect(pathFault("EXPORT_INPUT_READ", "open", "/a", error)).toMatchObject({ message: "open /a: invalid argument" });
});

test("an error without a number keeps its message", () => {
  expect(goErrnoText(Object.assign(new Error("odd"), { code: "ERR_ODD" }))).toBe("odd");
});

test("errors of node:fs are recognized, and become Go's path errors", () => {
  const directory = tempTree();
  writeFileSync(`${directory}/file`, "");
  const missing = thrownBy(() => readFileSync(`${directory}/nothing`));
  const notDirectory = thrownBy(() => readFileSync(`${directory}/file/below`));
  const isDirectory = thrownBy(() => readFileSync(directory));
  expect([missing, notDirectory, isDirectory].every((error) => isSystemError(error))).toBe(true);
  expect([isSystemError(notDirectory, "ENOENT", "ENOTDIR"), isSystemError(notDirectory, "ENOENT")]).toEqual([
    true,
    false,
  ]);
  expect([missing, notDirectory, isDirectory, new Error("x")].map(isNotExist)).toEqual([true, false, false, false]);
  expect(isSystemError(new TypeError("x"))).toBe(false);
  expect(pathFault("EXPORT_INPUT_READ", "open", "/g.toml", missing)).toMatchObject({
    name: "Fault",
    code: "EXPORT_INPUT_READ",
    message: "open /g.toml: no such file or directory",
    cause: missing,
  });
  expect(pathFault("EXPORT_INPUT_READ", "read", "/g", isDirectory).message).toBe("read /g: is a directory");
  expect(pathFault("EXPORT_INPUT_READ", "read", "/g", "text").message).toBe("read /g: text");
  expect(pathFault("EXPORT_INPUT_READ", "read", "/g", new Error("why")).message).toBe("read /g: why");
});
