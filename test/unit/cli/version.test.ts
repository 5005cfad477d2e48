import { chmodSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runProgram } from "../../../src/cli/program.ts";
import { VERSION } from "../../../src/version.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordedOutput } from "../../support/output/recorded-output.ts";

function lifecycle(script: string): string {
  const directory = tempTree({ lifecycle: `#!/bin/sh\n${script}\n`, exporter: "", creator: "" });
  chmodSync(join(directory, "lifecycle"), 0o755);
  return directory;
}

async function versionOf(program: string, args: readonly string[] = ["-version"], env = {}): Promise<string> {
  const [out, err] = [new RecordedOutput(), new RecordedOutput()];
  const process = { program, args, env: { CNB_PLATFORM_API: "0.13", ...env }, cwd: "/", home: "/", out, err };
  expect(await runProgram({ ...process, runAs: () => undefined }, new AbortController().signal)).toBe(0);
  expect(err.text).toBe("");
  return out.text;
}

const BOTH = `0.21.17+4bd4b13 (tandem ${VERSION})\n`;

test.each([
  ["exporter", ["-version"]],
  ["exporter", ["-app=/some/dir", "-version"]],
  ["creator", ["-version"]],
] as const)("%s %j prints the version of the lifecycle that it is part of", async (name, args) => {
  expect(await versionOf(join(lifecycle("echo 0.21.17+4bd4b13"), name), args)).toBe(BOTH);
});

test("CNB_LIFECYCLE_DIR selects the lifecycle", async () => {
  const env = { CNB_LIFECYCLE_DIR: lifecycle("echo 0.21.17+4bd4b13") };
  expect(await versionOf(join(tempTree({ exporter: "" }), "exporter"), ["-version"], env)).toBe(BOTH);
});

test.each(["exit 1", "echo usage: lifecycle"])("ignores a broken `lifecycle` program: %s", async (script) => {
  expect(await versionOf(join(lifecycle(script), "exporter"))).toBe(`${VERSION}\n`);
});

test("without a lifecycle, only its own version is printed", async () => {
  expect(await versionOf(join(tempTree({ exporter: "" }), "exporter"))).toBe(`${VERSION}\n`);
});
