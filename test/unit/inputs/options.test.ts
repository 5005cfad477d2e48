import { describe, expect, test } from "vitest";
import { ALL_FLAGS } from "../../../src/inputs/flags.ts";
import { type ExportOptions, parseOptions } from "../../../src/inputs/parse.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const MACHINE = { cores: 3, tempDir: "/tmp" };
const ENV = { CNB_PLATFORM_API: "0.13" };

/** Flags of the log, and flags that the exporter rejects. */
const COMMAND_LINE_ONLY = ["image", "logLevel", "noColor", "runImage", "version"];

test("every exporter flag of the lifecycle is an option, except those that only concern the command line", () => {
  const ofExporter = ALL_FLAGS.filter(({ command, group }) => command !== "creator" && group !== "additional");
  const missing = ofExporter.filter(({ library }) => !library);
  expect(missing.map(({ key }) => key)).toEqual(COMMAND_LINE_ONLY);
  expect(ALL_FLAGS.filter(({ command, library }) => command === "creator" && library)).toEqual([]);
});

/* Also a compile-time test: the types of the options come from the table of flags. */
const TYPED: ExportOptions = {
  images: ["app", "tag"],
  cacheImage: "cache",
  launcherSbom: "/sbom",
  parallel: true,
  insecureRegistry: ["one", "two"],
  uid: 1,
  compression: "zstd",
  compressionLevel: 6,
  retryBudget: "90s",
};

test("each option sets its flag", () => {
  const { flags, positionals } = parseOptions(TYPED, ENV, MACHINE);
  const { images, ...options } = TYPED;
  expect(flags).toMatchObject(options);
  expect(positionals).toEqual(images);
});

test("options override the environment, which overrides defaults", () => {
  const env = { ...ENV, CNB_APP_DIR: "/from-env", CNB_LAYERS_DIR: "/also-from-env" };
  const { flags, positionals, platformApi } = parseOptions({ images: ["app", "tag"], app: "/given" }, env, MACHINE);
  expect(flags.app).toBe("/given");
  expect(flags.layers).toBe("/also-from-env");
  expect(flags.launcher).toBe("/cnb/lifecycle/launcher");
  expect(flags.workers).toBe(3);
  expect(positionals).toEqual(["app", "tag"]);
  expect(platformApi).toEqual({ major: 0, minor: 13 });
});

test("an undefined option counts as omitted", () => {
  const options = JSON.parse('{"images":["app"]}');
  expect(parseOptions({ ...options, app: undefined }, ENV, MACHINE).flags.app).toBe("/workspace");
});

test("the Platform API has no default", () => {
  expect(() => parseOptions({ images: ["app"] }, {}, MACHINE)).toThrow("please set 'CNB_PLATFORM_API'");
});

/* JavaScript callers have no compiler. */
describe("an invalid option is one error that names it", () => {
  test.each([
    ['{"images":["app"],"cacheimage":"x"}', "unknown option cacheimage"],
    ['{"images":["app"],"cache-image":"x"}', "unknown option cache-image"],
    ['{"images":["app"],"logLevel":"debug"}', "unknown option logLevel"],
    ['{"images":["app"],"app":1}', "the option app must be a string"],
    ['{"images":["app"],"app":null}', "the option app must be a string"],
    ['{"images":["app"],"parallel":"true"}', "the option parallel must be a boolean"],
    ['{"images":["app"],"workers":"2"}', "the option workers must be a whole number"],
    ['{"images":["app"],"uid":1.5}', "the option uid must be a whole number"],
    ['{"images":["app"],"insecureRegistry":"a"}', "the option insecureRegistry must be an array of strings"],
    ['{"images":["app"],"insecureRegistry":[1]}', "the option insecureRegistry must be an array of strings"],
    ['{"images":"app"}', "the option images must be an array of strings"],
    ["{}", "the option images must be an array of strings"],
    ['{"images":[]}', "the option images must name at least one image"],
  ])("%s", (options, message) => {
    expect(thrownBy(() => parseOptions(JSON.parse(options), ENV, MACHINE))).toMatchObject({ message, exitCode: 3 });
  });
});
