import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { childCommand, rememberOpenFiles } from "../../../src/process/children.ts";
import { tempTree } from "../../support/files/temp-tree.ts";

afterEach(() => rememberOpenFiles(undefined));

function tools(): string {
  const directory = tempTree({ tool: '#!/bin/sh\nulimit -Sn\nprintf "%s\\n" "$@"\n', data: "" });
  chmodSync(`${directory}/tool`, 0o755);
  return directory;
}

test.each(["tool", ""])(
  "a program has the given limit and its arguments, found on the PATH or by path (%j)",
  (name) => {
    const directory = tools();
    const given = name === "" ? `${directory}/tool` : name;
    rememberOpenFiles("17");
    const { program, args } = childCommand(given, ["a b", "", '"$@"'], `/none:${directory}`);
    const run = spawnSync(program, args, { encoding: "utf8" });
    expect(run).toMatchObject({ status: 0, stderr: "", stdout: '17\na b\n\n"$@"\n' });
  },
);

test.each([
  ["the limit is unknown", "tool", undefined],
  ["there is no such program", "other", "17"],
  ["it cannot be executed", "data", "17"],
])("a program is started directly if %s", (_, name, limit) => {
  rememberOpenFiles(limit);
  expect(childCommand(name, ["get"], tools())).toEqual({ program: name, args: ["get"] });
});
