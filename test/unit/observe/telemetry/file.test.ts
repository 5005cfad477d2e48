import { expect, test } from "vitest";
import { TelemetryFile } from "../../../../src/observe/telemetry/file.ts";
import { failNextClose } from "../../../support/builtin-mocks.ts";
import { tempTree } from "../../../support/files/temp-tree.ts";

test("an error of close(2), as of a full network file system, is a failure of the file", () => {
  const file = TelemetryFile.open(tempTree(), "/workspace", "export");
  failNextClose();
  file.close();
  expect(file.failure?.message).toMatch(/^close .*\/tracing\/lifecycle\/export\.jsonl: disk quota exceeded$/);
});
