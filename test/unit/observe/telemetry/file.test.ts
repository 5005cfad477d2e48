import fs from "node:fs";
import { expect, test, vi } from "vitest";
import { TelemetryFile } from "../../../../src/observe/telemetry/file.ts";
import { applyBuiltinMocks } from "../../../support/builtin-mocks.ts";
import { tempTree } from "../../../support/files/temp-tree.ts";

test("an error of close(2), as of a full network file system, is a failure of the file", () => {
  const file = TelemetryFile.open(tempTree(), "/workspace", "export");
  const { closeSync } = fs;
  vi.spyOn(fs, "closeSync").mockImplementationOnce((descriptor) => {
    closeSync(descriptor);
    throw Object.assign(new Error("quota"), { code: "EDQUOT", errno: -122, syscall: "close" });
  });
  applyBuiltinMocks();
  file.close();
  expect(file.failure?.message).toMatch(/^close .*\/tracing\/lifecycle\/export\.jsonl: disk quota exceeded$/);
});
