import { openSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Fault, withContext } from "../../../src/errors/fault.ts";
import { isShortage, processLimit, shortageHint } from "../../../src/errors/shortage.ts";
import { pathFault } from "../../../src/go/errno.ts";
import { thrownBy } from "../../support/thrown-by.ts";

function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: words, ${syscall}`), { code, syscall });
}

test("limits are those of the process; a missing limit is undefined", () => {
  expect(processLimit("Max open files")).toBeGreaterThan(0);
  expect(processLimit("Max address space")).toBeUndefined();
});

describe("a shortage's hint takes precedence over the fault's", () => {
  test.each([
    ["EMFILE", "open", `may open ${processLimit("Max open files")} files.*ulimit -n`],
    ["ENFILE", "open", "fs.file-max"],
    ["EAGAIN", "spawn sh", "ulimit -u.*pids.max"],
    ["ENOMEM", "spawn sh", "memory"],
    ["EFBIG", "write", "ulimit -f"],
  ])("%s of %s", (code, syscall, advice) => {
    const cause = systemError(code, syscall);
    const fault = new Fault("EXPORT_LAYER_SPOOL", "failed", { cause, hint: "Do something else." });
    expect(fault.hint).toMatch(new RegExp(advice));
    expect(withContext("failed to export", fault).hint).toBe(fault.hint);
    expect(pathFault("EXPORT_LAYER_READ", "open", "/file", cause).hint).toBe(fault.hint);
  });

  test.each(["Worker initialization failure: EMFILE", "EMFILE"])("a thread that cannot start: %s", (message) => {
    const error = Object.assign(new Error(message), { code: "ERR_WORKER_INIT_FAILED" });
    expect(shortageHint(error)).toMatch(/ulimit -n/);
  });
});

test("other errors are not shortages: a missing file, a full pipe, a plain fault", () => {
  const errors = [
    thrownBy(() => openSync("/nothing/there", "r")),
    systemError("EAGAIN", "read"),
    new Fault("EXPORT_INTERNAL", "EMFILE is only mentioned"),
    "EMFILE",
  ];
  for (const error of errors) expect([isShortage(error), shortageHint(error)]).toEqual([false, undefined]);
});
