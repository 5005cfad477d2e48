import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { ROOT } from "../../../scripts/script.ts";
import { findProgram } from "../../support/process/find-program.ts";

const files = globSync(".github/workflows/*.yml", { cwd: ROOT }).sort();
const actionlint = findProgram("actionlint", "ACTIONLINT");
if (actionlint === undefined)
  console.warn(
    "The test with actionlint is skipped: it is not installed (go install github.com/rhysd/actionlint/cmd/actionlint, its path in ACTIONLINT)",
  );

const runs = z.object({
  jobs: z.record(z.string(), z.object({ steps: z.array(z.object({ run: z.string().optional() })) })),
});

describe("the workflows", () => {
  test.skipIf(actionlint === undefined)("pass actionlint", () => {
    const { status, stdout } = spawnSync(
      actionlint ?? "",
      ["-shellcheck=", "-no-color", ...files, "deploy/github-actions/build.yml"],
      {
        cwd: ROOT,
        encoding: "utf8",
      },
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  });

  test.each(files)("%s runs .ci/run, the one source of what is checked", (file) => {
    const { jobs } = runs.parse(parse(readFileSync(join(ROOT, file), "utf8")));
    const commands = Object.values(jobs).flatMap(({ steps }) => steps.map(({ run }) => run));
    expect(commands).toContain("bash .ci/run");
  });

  test.each(files)("%s calls only scripts that package.json has", (file) => {
    const { scripts } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")));
    const called = [...readFileSync(join(ROOT, file), "utf8").matchAll(/npm run ([\w:]+)/g)].map(
      ([, name]) => name ?? "",
    );
    expect(called.filter((name) => !(name in scripts))).toEqual([]);
  });
});
