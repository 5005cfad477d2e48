import { expect, test } from "vitest";
import { REFERENCE_FLAGS, tuningFlags } from "../../../src/cli/flags.ts";
import { commandOf, type ExportOptions, flagName } from "../../../src/cli/library-options.ts";

const MACHINE = { cores: 3, tempDir: "/tmp" };
const ENV = { CNB_PLATFORM_API: "0.13" };

/** Every option, so that the compiler says when one is missing here. */
const ALL: Required<ExportOptions> = {
  images: ["app", "tag"],
  layers: "/l",
  app: "/a",
  analyzed: "/l/analyzed",
  group: "/g",
  extended: "/e",
  launcher: "/launcher",
  launcherSbom: "/sbom",
  projectMetadata: "/p",
  report: "/r",
  run: "/run",
  stack: "/stack",
  cacheImage: "cache",
  cacheDir: "/c",
  launchCache: "/lc",
  parallel: true,
  daemon: true,
  layout: true,
  layoutDir: "/layout",
  processType: "web",
  insecureRegistry: ["one", "two"],
  uid: 1,
  gid: 2,
  workers: 4,
  uploadConcurrency: 5,
  retryBudget: "90s",
  compression: "zstd",
  compressionLevel: 6,
  spoolDir: "/spool",
  timeline: "/t.html",
};

/** Flags that are the command line's own affair: how it logs and shows, and two that are only there to be refused. */
const COMMAND_LINE_ONLY = [
  "version",
  "log-level",
  "no-color",
  "log-format",
  "events",
  "progress",
  "image",
  "run-image",
];

test("each flag of the exporter has an option", () => {
  const flags = [...REFERENCE_FLAGS, ...tuningFlags(MACHINE)]
    .filter((flag) => !("command" in flag) || flag.command === "exporter")
    .map(({ name }) => name);
  const { images: _, ...options } = ALL;
  const known = [...Object.keys(options).map(flagName), ...COMMAND_LINE_ONLY];
  expect(known.sort()).toEqual([...new Set(flags)].sort());
});

test("what is given goes before the environment, and that before defaults", () => {
  const env = { ...ENV, CNB_APP_DIR: "/from-env", CNB_LAYERS_DIR: "/also-from-env" };
  const { flags, positionals, platformApi } = commandOf({ images: ["app", "tag"], app: "/given" }, env, MACHINE);
  expect(flags.string("app")).toBe("/given");
  expect(flags.string("layers")).toBe("/also-from-env");
  expect(flags.string("launcher")).toBe("/cnb/lifecycle/launcher");
  expect(flags.int("workers")).toBe(3);
  expect(positionals).toEqual(["app", "tag"]);
  expect(platformApi).toEqual({ major: 0, minor: 13 });
});

test("each option arrives at its flag", () => {
  const { flags } = commandOf(ALL, ENV, MACHINE);
  expect(flags.string("launcher-sbom")).toBe("/sbom");
  expect(flags.list("insecure-registry")).toEqual(["one", "two"]);
  expect(flags.bool("parallel")).toBe(true);
  expect(flags.int("compression-level")).toBe(6);
});

test("an undefined option is one that is left out", () => {
  const options = JSON.parse('{"images":["app"]}');
  expect(commandOf({ ...options, app: undefined }, ENV, MACHINE).flags.string("app")).toBe("/workspace");
});

test("the Platform API has no default", () => {
  expect(() => commandOf({ images: ["app"] }, {}, MACHINE)).toThrow("please set 'CNB_PLATFORM_API'");
});
