import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { FinishedBuildpacks, type ProcessTable } from "../../../src/early/finished-buildpacks.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { WAIT } from "../../support/runner/time-limits.ts";

const BUILDER = 100;

function groupOf(...ids: readonly string[]) {
  return ids.map((id) => ({ id, version: "1.2", api: "0.10", homepage: "", optional: false, extension: false }));
}

/** The builder has one child, with this command line and environment. */
function running(commandLine: readonly string[], environment: readonly string[] = []): ProcessTable {
  return {
    children: (pid) => (pid === BUILDER ? [101] : []),
    commandLine: () => commandLine,
    environment: () => environment,
  };
}

/** A builder that runs `bin/build` of a buildpack, as the reference starts it. */
function build(id: string): ProcessTable {
  const commandLine = [`/cnb/buildpacks/${id}/1.2/bin/build`, `/layers/${id}`, "/platform", "/tmp/plan.toml"];
  return running(commandLine, [`CNB_BUILDPACK_DIR=/cnb/buildpacks/${id}/1.2`]);
}

function idsOf(buildpacks: readonly { readonly id: string }[]): string[] {
  return buildpacks.map(({ id }) => id);
}

/** The buildpacks that each poll reports as finished. */
function polls(ids: readonly string[], ...seen: readonly ProcessTable[]): string[][] {
  let now = seen[0] as ProcessTable;
  const processes: ProcessTable = {
    children: (pid) => now.children(pid),
    commandLine: (pid) => now.commandLine(pid),
    environment: (pid) => now.environment(pid),
  };
  const finished = new FinishedBuildpacks(groupOf(...ids), "/layers", processes);
  return seen.map((one) => {
    now = one;
    return idsOf(finished.next(BUILDER));
  });
}

describe("buildpacks have finished", () => {
  test("when a later one runs, each once", () => {
    expect(polls(["a", "b", "c"], build("a"), build("b"), build("b"), build("c"))).toEqual([[], ["a"], [], ["b"]]);
  });

  test("even if no poll saw them run", () => {
    expect(polls(["a", "b", "c", "d"], build("d"))).toEqual([["a", "b", "c"]]);
  });

  test("with slashes in their ids", () => {
    expect(polls(["x/a", "x/b"], build("x_b"))).toEqual([["x/a"]]);
  });

  test("but not before the last one of those that share a directory", () => {
    expect(polls(["a", "b", "a", "c"], build("b"), build("c"))).toEqual([[], ["b", "a"]]);
  });

  test("when a later one's script has become another program", () => {
    const java = running(["/opt/java", "-jar", "build.jar"], ["PATH=/bin", "CNB_BUILDPACK_DIR=/cnb/buildpacks/b/1.2"]);
    expect(polls(["a", "b"], java)).toEqual([["a"]]);
  });

  test("never because of a process that says nothing, nor without processes", () => {
    const none: ProcessTable = { children: () => [], commandLine: () => [], environment: () => [] };
    expect(polls(["a", "b"], running(["/layers/bb", "/layers"]), none)).toEqual([[], []]);
  });
});

test("processes are read from /proc", async () => {
  const root = tempTree();
  mkdirSync(join(root, "layers/b"), { recursive: true });
  writeFileSync(join(root, "build"), "#!/bin/sh\nread line\n", { mode: 0o755 });
  const builder = spawn("/bin/sh", ["-c", `"${root}/build" "${root}/layers/b" /platform plan; :`]);
  onTestFinished(() => void builder.stdin.end());
  const finished = new FinishedBuildpacks(groupOf("a", "b"), join(root, "layers"));
  await vi.waitFor(() => expect(idsOf(finished.next(builder.pid ?? 0))).toEqual(["a"]), WAIT);
});
