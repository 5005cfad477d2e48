import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { CODES, type FaultCode, STAGES, stageOf } from "../../../src/errors/codes.ts";
import {
  Fault,
  failTo,
  messageAndHint,
  messageOf,
  toFault,
  warningOf,
  withContext,
  withDefaultHint,
} from "../../../src/errors/fault.ts";
import { RegistryFault } from "../../../src/http/faults.ts";

const deep = new Fault("EXPORT_INPUT_REFERENCE", "could not parse", {
  exitCode: 3,
  hint: "Write it so.",
  destination: "reg.example",
  cause: new Error("low"),
});

test("context is prepended and everything else stays", () => {
  expect(withContext("outer", deep, "EXPORT_INTERNAL")).toMatchObject({
    message: "outer: could not parse",
    code: "EXPORT_INPUT_REFERENCE",
    exitCode: 3,
    hint: "Write it so.",
    destination: "reg.example",
    cause: deep,
  });
});

test("context on another error takes the given code", () => {
  const error = new Error("low");
  const fault = withContext("outer", error, "EXPORT_LAYER_READ");
  expect(fault).toMatchObject({ message: "outer: low", code: "EXPORT_LAYER_READ", cause: error });
  expect(fault.exitCode).toBeUndefined();
  expect(withContext("outer", "text").message).toBe("outer: text");
});

test.each([
  ["the stated exit code", deep, 62, 62],
  ["else the cause's", deep, undefined, 3],
  ["else 1", new Error("low"), undefined, 1],
  ["1 for a fault without one, too", new Fault("EXPORT_REGISTRY_DENIED", "low"), undefined, 1],
])("failTo: %s", (_, error, stated, exitCode) => {
  expect(failTo("export", error, stated)).toMatchObject({
    message: `failed to export: ${messageOf(error)}`,
    exitCode,
    cause: error,
  });
});

test("a fault without a hint, and its wrappers, have its code's; a warning has only its own", () => {
  const plain = new Fault("EXPORT_ARGS_CWD", "getwd");
  expect([plain.hint, plain.ownHint]).toEqual([CODES.EXPORT_ARGS_CWD.hint, undefined]);
  const wrapped = failTo("export", withContext("saving", plain), 62);
  expect(wrapped).toMatchObject({ code: "EXPORT_ARGS_CWD", hint: plain.hint, ownHint: undefined, exitCode: 62 });
  expect(messageAndHint(plain)).toBe(`getwd\n${plain.hint}`);
  expect(warningOf(plain)).toBe("getwd");
  expect(warningOf(deep)).toBe("could not parse\nWrite it so.");
});

test("the exit code is the fault's own, else its code's", () => {
  expect(new Fault("EXPORT_ARGS_INVALID", "x").exitCode).toBe(3);
  expect(new Fault("EXPORT_ARGS_INVALID", "x", { exitCode: 1 }).exitCode).toBe(1);
  expect(new Fault("EXPORT_LAYER_READ", "x").exitCode).toBeUndefined();
  expect(failTo("export", new Fault("EXPORT_ARGS_INVALID", "x")).exitCode).toBe(3);
});

test("wrapping keeps the class and the registry's response", () => {
  const refused = new RegistryFault("EXPORT_REGISTRY_DENIED", "denied", {
    status: 403,
    isTemporary: false,
    destination: "reg.example/app",
  });
  for (const wrapped of [withContext("outer", refused), failTo("export", refused, 62)]) {
    expect(wrapped).toBeInstanceOf(RegistryFault);
    expect(wrapped).toMatchObject({ status: 403, isTemporary: false, destination: "reg.example/app", cause: refused });
  }
});

function systemError(code: string, syscall = "open"): Error {
  return Object.assign(new Error(`${code}: words, ${syscall} '/file'`), { code, syscall });
}

test.each<[string, unknown, FaultCode, RegExp]>([
  ["a full disk", systemError("ENOSPC", "write"), "EXPORT_SYSTEM", /file system is full: free space/],
  ["a quota", systemError("EDQUOT", "write"), "EXPORT_SYSTEM", /quota .* free space/],
  ["a path that is too long", systemError("ENAMETOOLONG"), "EXPORT_SYSTEM", /longer than the system takes: shorten/],
  ["a read-only file system", systemError("EROFS"), "EXPORT_SYSTEM", /read-only: mount it writable/],
  ["a broken disk", systemError("EIO", "read"), "EXPORT_SYSTEM", /disk or the network file system failed/],
  ["a missing file", systemError("ENOENT"), "EXPORT_SYSTEM", /Correct what the message names/],
  ["a forbidden file", systemError("EACCES"), "EXPORT_SYSTEM", /permissions/],
  ["too many open files", systemError("EMFILE"), "EXPORT_LIMIT_OPEN_FILES", /ulimit -n/],
  ["the same in a thread", new Error("EMFILE: too many open files, open '/x'"), "EXPORT_LIMIT_OPEN_FILES", /ulimit -n/],
  ["too many processes", systemError("EAGAIN", "spawn /bin/sh"), "EXPORT_LIMIT_THREADS", /pids\.max/],
  ["no memory", systemError("ENOMEM", "spawn /bin/sh"), "EXPORT_LIMIT_MEMORY", /more memory/],
  ["no memory for a buffer", new RangeError("Array buffer allocation failed"), "EXPORT_LIMIT_MEMORY", /more memory/],
  [
    "no memory for the encoder",
    new RangeError("WebAssembly.Memory(): could not allocate memory"),
    "EXPORT_LIMIT_MEMORY",
    /-workers/,
  ],
  [
    "no memory for a thread",
    Object.assign(new Error("Worker terminated due to reaching memory limit"), { code: "ERR_WORKER_OUT_OF_MEMORY" }),
    "EXPORT_LIMIT_MEMORY",
    /-workers/,
  ],
  ["a defect", new TypeError("x is not a function"), "EXPORT_INTERNAL", /Report it/],
  ["no error at all", "text", "EXPORT_INTERNAL", /Report it/],
  ["an object without a prototype", Object.create(null), "EXPORT_INTERNAL", /Report it/],
])("%s without a code gets a fitting code and a hint", (_what, error, code, hint) => {
  for (const fault of [toFault(error), withContext("outer", error), failTo("export", error)])
    expect(fault).toMatchObject({ code, hint: expect.stringMatching(hint) });
});

test("the hint for a dead thread does not ask for memory if files or processes are exhausted", () => {
  const died = (cause: Error) => new Fault("EXPORT_LAYER_THREAD", "a worker thread died", { cause });
  expect(died(new Error("EMFILE: too many open files, open '/x'")).hint).toMatch(/ulimit -n/);
  expect(died(new Error("EMFILE: too many open files, open '/x'")).hint).not.toMatch(/memory/);
  expect(died(new Error("something else")).hint).toMatch(/more memory/);
});

test("each code's stage is known, its meaning a sentence, its hint in the imperative", () => {
  for (const [code, { meaning, hint }] of Object.entries(CODES)) {
    expect(STAGES).toHaveProperty(stageOf(code as FaultCode));
    expect(meaning).toMatch(/^[A-Z-].*\.$/);
    const needsNone = code === "EXPORT_CANCELLED" || code === "EXPORT_ARGS_INVALID";
    if (!needsNone) expect(hint).toMatch(/^[A-Z]/);
    expect(hint ?? "").not.toMatch(/\?$/);
  }
});

test("a system error of another realm, as under Jest, is one", () => {
  const error: unknown = runInNewContext("Object.assign(new Error('no'), { code: 'ENOENT', syscall: 'open' })");
  expect(toFault(error)).toMatchObject({ code: "EXPORT_SYSTEM", message: "no" });
});

test("a default hint replaces that of the code, but no more specific one", () => {
  const plain = new Fault("EXPORT_INPUT_REFERENCE", "could not parse");
  expect(withDefaultHint(plain, "Do so.")).toMatchObject({ code: plain.code, message: plain.message, hint: "Do so." });
  expect(withDefaultHint(deep, "Do so.")).toBe(deep);
});
