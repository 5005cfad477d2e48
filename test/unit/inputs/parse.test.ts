import { describe, expect, test } from "vitest";
import { ALL_FLAGS } from "../../../src/inputs/flags.ts";
import { type CommandLine, parseCommandLine } from "../../../src/inputs/parse.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const machine = { cores: 2, tempDir: "/tmp" };

const ADDITIONAL = ALL_FLAGS.filter(({ group }) => group === "additional").map(({ name }) => name);

function parse(args: string[], env: Record<string, string> = {}): CommandLine {
  return parseCommandLine("exporter", args, { CNB_PLATFORM_API: "0.12", ...env }, machine);
}

function flagsOf(args: string[], env: Record<string, string> = {}) {
  const command = parse(args, env);
  if (command.kind !== "run") throw new Error(JSON.stringify(command));
  return command.flags;
}

function flagNames(api: string): string[] {
  const command = parse(["-h"], { CNB_PLATFORM_API: api });
  if (command.kind !== "exit") throw new Error(command.kind);
  const names = [...command.stderr.matchAll(/^ {2}-(\S+)/gm)].map((match) => match[1] ?? "");
  return names.filter((name) => !ADDITIONAL.includes(name)).sort();
}

test.each([[["-h"]], [["-version"]], [["-nope"]]])("a missing API is reported before %j", (args) => {
  expect(thrownBy(() => parseCommandLine("exporter", args, {}, machine))).toMatchObject({ exitCode: 11 });
});

test("help goes to stderr with exit code 0 and shows the environment's values", () => {
  const command = parse(["-help"], { CNB_APP_DIR: "/src", CNB_USER_ID: "1000", CNB_INSECURE_REGISTRIES: "a,b" });
  expect(command).toMatchObject({ kind: "exit", exitCode: 0 });
  const { stderr } = command as { stderr: string };
  const sections = stderr.split("\n\n");
  expect(sections.map((section) => section.split("\n")[0])).toEqual([
    "Usage: exporter [<flag>...] <image> [<tag>...]",
    "Environment variables override the defaults of flags.",
    "Common flags:",
    "Other flags of the lifecycle:",
    "Additional flags (all optional):",
    "Rejected flags:",
  ]);
  expect(sections[2]).toContain('  -app string\n    \tpath to app directory [$CNB_APP_DIR] (default "/src")\n');
  expect(sections[3]).toContain(
    "  -uid int\n    \tUID of user in the stack's build and run images [$CNB_USER_ID] (default 1000)\n",
  );
  expect(sections[3]).toContain("  -version\n    \tshow version");
  expect(sections[4]).toContain(
    "  -workers int\n    \tnumber of threads that read and compress layers [$CNB_EXPORT_WORKERS] (default 2)",
  );
});

test("a flag error prints its line and the usage block with exit code 2", () => {
  const command = parse(["-nope", "image"]);
  expect(command).toMatchObject({ kind: "exit", exitCode: 2 });
  expect((command as { stderr: string }).stderr).toMatch(
    /^flag provided but not defined: -nope\nUsage of lifecycle:\n {2}-analyzed /,
  );
});

test("-version wins over positionals, not over flag errors", () => {
  expect(parse(["-version", "image"])).toEqual({ kind: "version" });
  expect(parse(["-version=false", "image"]).kind).toBe("run");
  expect(parse(["-version", "-nope"])).toMatchObject({ exitCode: 2 });
});

describe("flags of a Platform API", () => {
  const always = flagNames("0.7");
  test.each([
    ["0.10", []],
    ["0.11", ["launcher-sbom"]],
    ["0.12", ["extended", "launcher-sbom", "layout", "layout-dir", "run"]],
    ["0.13", ["extended", "insecure-registry", "launcher-sbom", "layout", "layout-dir", "run"]],
    ["0.15", ["extended", "insecure-registry", "launcher-sbom", "layout", "layout-dir", "run"]],
  ])("%s adds %j", (api, added) => {
    expect(flagNames(api).filter((name) => !always.includes(name))).toEqual(added);
    expect(flagNames(api).includes("stack")).toBe(["0.10", "0.11"].includes(api));
  });

  test("all other flags exist at every API", () => {
    expect(always).toEqual(
      (
        "analyzed app cache-dir cache-image daemon gid group image launch-cache launcher layers log-level no-color " +
        "parallel process-type project-metadata report run-image stack uid version"
      ).split(" "),
    );
  });

  test.each(["exporter", "creator"] as const)("additional flags exist at every API: %s", (name) => {
    for (const api of ["0.7", "0.15"]) {
      const command = parseCommandLine(name, ["-h"], { CNB_PLATFORM_API: api }, machine);
      const { stderr } = command as { stderr: string };
      expect(ADDITIONAL.length).toBeGreaterThan(8);
      const own = ALL_FLAGS.filter(({ group, command: only = name }) => group === "additional" && only === name);
      for (const flag of own) expect(stderr).toMatch(new RegExp(`^ {2}-${flag.name}( string| int)?$`, "m"));
    }
  });

  test("the environment applies even if the flag does not exist", () => {
    const flags = flagsOf([], { CNB_PLATFORM_API: "0.7", CNB_USE_LAYOUT: "true", CNB_RUN_PATH: "/r.toml" });
    expect(flags.layout).toBe(true);
    expect(flags.run).toBe("/r.toml");
  });
});

test("a flag wins over the environment, which wins over the default", () => {
  expect(flagsOf([]).layers).toBe("/layers");
  expect(flagsOf([], { CNB_LAYERS_DIR: "/env" }).layers).toBe("/env");
  expect(flagsOf(["-layers", "/flag"], { CNB_LAYERS_DIR: "/env" }).layers).toBe("/flag");
  expect(flagsOf(["-parallel=0"], { CNB_PARALLEL_EXPORT: "1" }).parallel).toBe(false);
  const api = { CNB_PLATFORM_API: "0.13", CNB_INSECURE_REGISTRIES: "a" };
  expect(flagsOf(["-insecure-registry", "b"], api).insecureRegistry).toEqual(["a", "b"]);
});
