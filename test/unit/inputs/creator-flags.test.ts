import { expect, test } from "vitest";
import { ALL_FLAGS } from "../../../src/inputs/flags.ts";
import { parseCommandLine } from "../../../src/inputs/parse.ts";

const machine = { cores: 2, tempDir: "/tmp" };

const ADDITIONAL = ALL_FLAGS.filter(({ group }) => group === "additional").map(({ name }) => name);

function parse(args: string[], env: Record<string, string>) {
  return parseCommandLine("creator", args, env, machine);
}

function flagNames(api: string): string[] {
  const command = parse(["-h"], { CNB_PLATFORM_API: api });
  if (command.kind !== "exit") throw new Error(command.kind);
  const names = [...command.stderr.matchAll(/^ {2}-(\S+)/gm)].map((match) => match[1] ?? "");
  return names.filter((name) => !ADDITIONAL.includes(name)).sort();
}

const ALWAYS =
  "app buildpacks cache-dir cache-image daemon gid launch-cache launcher layers log-level no-color order parallel " +
  "platform previous-image process-type project-metadata report run-image skip-restore stack tag uid version";

test.each([
  ["0.7", ""],
  ["0.11", "build-config launcher-sbom"],
  ["0.12", "build-config launcher-sbom layout layout-dir run"],
  ["0.13", "build-config insecure-registry launcher-sbom layout layout-dir run"],
  ["0.15", "build-config insecure-registry launcher-sbom layout layout-dir run system"],
])("flags of the creator at API %s", (api, added) => {
  expect(flagNames(api)).toEqual(`${ALWAYS} ${added}`.trim().split(" ").sort());
});

test.each([
  [{}, [], false],
  [{ CNB_SKIP_LAYERS: "true" }, [], true],
  [{ CNB_SKIP_RESTORE: "1" }, [], true],
  [{ CNB_SKIP_LAYERS: "true" }, ["-skip-restore=false"], false],
  [{ CNB_SKIP_LAYERS: "yes" }, [], false],
])("-skip-restore with %j and %j", (env, args, expected) => {
  const command = parse(args, { CNB_PLATFORM_API: "0.12", ...env });
  if (command.kind !== "run") throw new Error(command.kind);
  expect(command.flags.skipRestore).toBe(expected);
});

test("settings without a creator flag keep their variable and default", () => {
  const command = parse([], { CNB_PLATFORM_API: "0.12", CNB_GROUP_PATH: "/g.toml" });
  if (command.kind !== "run") throw new Error(command.kind);
  expect(command.flags.group).toBe("/g.toml");
  expect(command.flags.analyzed).toBe("<layers>/analyzed.toml");
  expect(parse(["-group", "x"], { CNB_PLATFORM_API: "0.12" })).toMatchObject({ exitCode: 2 });
});
