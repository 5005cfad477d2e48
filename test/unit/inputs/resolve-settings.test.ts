import { describe, expect, test } from "vitest";
import { parseCommandLine } from "../../../src/inputs/parse.ts";
import { resolveSettings } from "../../../src/inputs/settings.ts";
import type { ResolvedInputs } from "../../../src/plan/inputs.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const ANALYZED = `[run-image]\nreference = "reg.example/run@${DIGEST}"\n`;
const NO_CACHE = "warn No cached data will be used, no cache specified.";

interface Run {
  args?: string[];
  env?: Record<string, string>;
  analyzed?: string | undefined;
}

/** Resolves a command line in a working directory that has `layers/analyzed.toml`. */
function resolve({ args = ["reg.example/app"], env = {}, analyzed = ANALYZED }: Run) {
  const cwd = tempTree({ "layers/analyzed.toml": analyzed });
  return resolveIn(cwd, args, env);
}

function resolveIn(cwd: string, args: string[], extra: Record<string, string> = {}) {
  const env = { CNB_PLATFORM_API: "0.12", CNB_LAYERS_DIR: `${cwd}/layers`, ...extra };
  const command = parseCommandLine("exporter", args, env, { cores: 2, tempDir: "/tmp" });
  if (command.kind !== "run") throw new Error(JSON.stringify(command));
  const logger = new RecordingLogger();
  return { cwd, lines: logger.lines, result: resolveSettings(command, { env, cwd }, logger) };
}

async function settingsOf(run: Run): Promise<ResolvedInputs["settings"] & { cwd: string }> {
  const { cwd, result } = resolve(run);
  return { ...(await result).settings, cwd };
}

test("applies the defaults", async () => {
  const { cwd, ...settings } = await settingsOf({ args: ["reg.example/app", "reg.example/app:v2"] });
  expect(settings).toEqual({
    platformApi: { major: 0, minor: 12 },
    analyzedPath: `${cwd}/layers/analyzed.toml`,
    appDir: "/workspace",
    cacheDir: "",
    cacheImage: "",
    daemon: false,
    execEnv: "production",
    experimentalMode: "error",
    extendedDir: `${cwd}/layers/extended`,
    gid: 0,
    groupPath: `${cwd}/layers/group.toml`,
    insecureRegistries: [],
    launchCacheDir: "",
    launcherPath: "/cnb/lifecycle/launcher",
    launcherSbomDir: "/cnb/lifecycle",
    layersDir: `${cwd}/layers`,
    layout: false,
    layoutDir: "",
    logLevel: "info",
    noColor: false,
    parallel: false,
    previousImage: "",
    buildImage: "",
    processType: "",
    projectMetadataPath: `${cwd}/layers/project-metadata.toml`,
    reportPath: `${cwd}/layers/report.toml`,
    runPath: "/cnb/run.toml",
    runImage: `reg.example/run@${DIGEST}`,
    stackPath: "/cnb/stack.toml",
    uid: 0,
    outputImage: "reg.example/app",
    additionalTags: ["reg.example/app:v2"],
    sourceDateEpoch: undefined,
    isSourceDateEpochInvalid: false,
    tuning: expect.objectContaining({
      workers: 2,
      fittingWorkers: 512,
      uploadConcurrency: 8,
      retryBudgetMs: 300_000,
      compression: "gzip",
      compressionLevel: 1,
      spoolDir: "/tmp",
      events: "",
      progress: "auto",
      timeline: "",
      logFormat: "text",
    }),
  });
});

describe("paths", () => {
  test("the placeholder becomes the layers directory as given, not made absolute", async () => {
    const cwd = tempTree({ "analyzed.toml": ANALYZED });
    const args = [
      "-layers",
      "./l",
      "-analyzed",
      `${cwd}/analyzed.toml`,
      "-report",
      "x<layers>y<layers>",
      "reg.example/app",
    ];
    const { settings } = await resolveIn(cwd, args).result;
    expect(settings).toMatchObject({
      layersDir: `${cwd}/l`,
      groupPath: "./l/group.toml",
      extendedDir: "./l/extended",
      reportPath: "x./ly<layers>",
    });
  });

  test("a replacement pattern in the layers directory's name stays literal", async () => {
    const cwd = tempTree({ "$&/analyzed.toml": ANALYZED });
    const { settings } = await resolveIn(cwd, ["-layers", `${cwd}/$&`, "reg.example/app"]).result;
    expect(settings.groupPath).toBe(`${cwd}/$&/group.toml`);
  });

  test("an empty layers directory is the working directory", async () => {
    const cwd = tempTree({ "analyzed.toml": ANALYZED });
    const args = ["-layers", "", "-analyzed", `${cwd}/analyzed.toml`, "reg.example/app"];
    expect((await resolveIn(cwd, args).result).settings).toMatchObject({ layersDir: cwd, groupPath: "group.toml" });
  });

  test("makes only the reference's directories absolute", async () => {
    const { cwd, ...settings } = await settingsOf({
      args: [
        ...["-app", "app/", "-cache-dir", "c", "-launch-cache", "../lc", "-extended", "e", "-layout-dir", "ld"],
        ...["-launcher", "l", "-launcher-sbom", "ls", "-run", "r", "-report", "rep", "-group", "g", "-spool-dir", "s"],
        "reg.example/app",
      ],
    });
    expect(settings).toMatchObject({
      appDir: `${cwd}/app`,
      cacheDir: `${cwd}/c`,
      launchCacheDir: `${cwd.slice(0, cwd.lastIndexOf("/"))}/lc`,
      extendedDir: "e",
      layoutDir: "ld",
      launcherPath: "l",
      launcherSbomDir: "ls",
      runPath: "r",
      reportPath: "rep",
      groupPath: "g",
      tuning: { spoolDir: `${cwd}/s` },
    });
  });
});

describe("failures", () => {
  const resolving = "failed to resolve inputs: ";
  const bad = "could not parse reference: ";
  test.each<[string, Run, string]>([
    ["no arguments", { args: [] }, "failed to parse arguments: at least one image argument is required"],
    ["empty image", { args: [""] }, `${resolving}image argument is required`],
    ["-run-image", { args: ["-run-image", "r", "app"] }, `${resolving}-run-image is unsupported`],
    [
      "-run-image other than the environment's",
      { args: ["-run-image", "r", "app"], env: { CNB_RUN_IMAGE: "s" } },
      `${resolving}-run-image is unsupported`,
    ],
    ["-image", { args: ["-image", "r", "app"] }, `${resolving}-image is unsupported`],
    [
      "-run-image before -image",
      { args: ["-image", "r", "-run-image", "s", "app"] },
      `${resolving}-run-image is unsupported`,
    ],
    ["no [run-image]", { analyzed: "" }, `${resolving}run image not found in analyzed metadata`],
    ["empty reference", { analyzed: "[run-image]\n" }, `${resolving}run image not found in analyzed metadata`],
    ["bad output image", { args: ["A"] }, `${resolving}${bad}A`],
    ["bad tag", { args: ["app", "bb:c:d"] }, `${resolving}${bad}bb:c:d`],
    ["empty tag", { args: ["app", ""] }, `${resolving}an additional image name is empty`],
    [
      "digest in a daemon",
      { args: ["-daemon", "app:1", `app@${DIGEST}`] },
      `${resolving}refusing to create a tag with a digest reference: app@${DIGEST}`,
    ],
    ["bad previous image", { env: { CNB_PREVIOUS_IMAGE: "P" } }, `${resolving}${bad}P`],
    ["bad build image", { env: { CNB_BUILD_IMAGE: "B" } }, `${resolving}${bad}B`],
    ["bad run image", { analyzed: '[run-image]\nreference="R"' }, `${resolving}${bad}R`],
    ["bad cache image", { args: ["-cache-image", "C", "app"] }, `${resolving}${bad}C`],
    [
      "two registries",
      { args: ["reg.example/app", "other.example/app"] },
      `${resolving}writing to multiple registries is unsupported`,
    ],
    [
      "a bad image before two registries",
      { args: ["reg.example/app", "other.example/A"] },
      `${resolving}${bad}other.example/A`,
    ],
    [
      "workers",
      { args: ["-workers", "0", "app"] },
      `${resolving}-workers (CNB_EXPORT_WORKERS) must be a whole number from 1 to 512`,
    ],
    [
      "workers from the environment",
      { env: { CNB_EXPORT_WORKERS: "many" } },
      `${resolving}-workers (CNB_EXPORT_WORKERS) must be a whole number from 1 to 512`,
    ],
    [
      "uploads",
      { args: ["-upload-concurrency", "-1", "app"] },
      `${resolving}-upload-concurrency (CNB_EXPORT_UPLOAD_CONCURRENCY) must be a whole number from 1 to 256`,
    ],
    [
      "level",
      { args: ["-compression-level", "10", "app"] },
      `${resolving}-compression-level (CNB_EXPORT_COMPRESSION_LEVEL) must be a whole number from 1 to 9`,
    ],
    [
      "compression",
      { args: ["-compression", "xz", "app"] },
      `${resolving}-compression (CNB_EXPORT_COMPRESSION) must be one of gzip, zstd`,
    ],
    [
      "budget",
      { args: ["-retry-budget", "5", "app"] },
      `${resolving}-retry-budget (CNB_EXPORT_RETRY_BUDGET) must be a duration such as 90s, 5m or 1h30m`,
    ],
  ])("%s", async (_name, run, message) => {
    expect(await rejectionOf(resolve(run).result)).toMatchObject({ message, exitCode: 3 });
  });

  test.each([
    ...["/app", "./app", "../app", "~/app", "reg.example/../app", "reg.example/./app"],
    ...["reg.example/app/..", "reg.example/app/.:v1", `reg.example/..@sha256:${"0".repeat(64)}`],
  ])("the path %s is not an image, a tag or a cache image", async (path) => {
    const hintFor = async (...args: string[]) =>
      await rejectionOf(resolve({ args }).result).then((error) => Object(error).hint);
    const output = `The image argument or a tag is ${path}, and that is a path: name an image, or write an OCI layout with -layout and -layout-dir.`;
    expect(await hintFor(path)).toBe(output);
    expect(await hintFor("app", path)).toBe(output);
    expect(await hintFor("-cache-image", path, "app")).toBe(
      `-cache-image (CNB_CACHE_IMAGE) is ${path}, and that is a path: use -cache-dir (CNB_CACHE_DIR).`,
    );
  });

  test("the hint about a path hides a password", async () => {
    const error = await rejectionOf(resolve({ args: ["https://user:secret@reg.example/../app"] }).result);
    expect(error).toMatchObject({ hint: expect.stringMatching(/^(?!.*secret).* that is a path: /) });
  });

  test("the reference's checks run before those of additional flags", async () => {
    const { result } = resolve({ args: ["-workers", "0", "reg.example/app", "other.example/app"] });
    expect(await rejectionOf(result)).toMatchObject({ message: expect.stringContaining("multiple registries") });
  });

  test("a missing analyzed.toml is a warning and an error", async () => {
    const cwd = tempTree();
    const { result, lines } = resolveIn(cwd, ["reg.example/app"]);
    expect(await rejectionOf(result)).toMatchObject({
      message: "failed to resolve inputs: run image not found in analyzed metadata",
      exitCode: 3,
      hint: expect.stringContaining(`there is no ${cwd}/layers/analyzed.toml`),
    });
    expect(lines).toEqual([`warn No analyzed metadata found at path "${cwd}/layers/analyzed.toml"`]);
  });

  test("an empty path of analyzed.toml is named as such", async () => {
    const { result } = resolve({ args: ["-analyzed=", "reg.example/app"] });
    expect(await rejectionOf(result)).toMatchObject({
      hint: "Name the analyzer's analyzed.toml in -analyzed, which is empty, or leave the flag out.",
    });
  });

  test("an unreadable analyzed.toml is an error", async () => {
    const cwd = tempTree({ "layers/analyzed.toml/": "" });
    expect(await rejectionOf(resolveIn(cwd, ["reg.example/app"]).result)).toMatchObject({
      message: `failed to resolve inputs: failed to read analyzed file: read ${cwd}/layers/analyzed.toml: is a directory`,
      exitCode: 3,
    });
  });
});

test("-run-image equal to the environment's is accepted and overridden by analyzed.toml", async () => {
  const settings = await settingsOf({ args: ["-run-image", "r", "app"], env: { CNB_RUN_IMAGE: "r" } });
  expect(settings.runImage).toMatch(/^reg\.example\/run@/);
});

test("accepts one registry under two names, and a cache image anywhere", async () => {
  const settings = await settingsOf({
    args: ["-cache-image", "reg.example/cache", "app", "docker.io/x/app", "index.docker.io/yy"],
  });
  expect(settings.additionalTags).toHaveLength(2);
});

test("names with dots are images, and a layout's image may be a path", async () => {
  const tags = ["reg.example/.app", "reg.example/app/..x", "reg.example/..."];
  expect((await settingsOf({ args: ["reg.example/app", ...tags] })).additionalTags).toEqual(tags);
  const layout = { args: ["-layout", "-layout-dir", "/l", "/app"], env: { CNB_EXPERIMENTAL_MODE: "quiet" } };
  expect(await settingsOf(layout)).toMatchObject({ outputImage: "/app" });
});

test("an empty CNB_EXEC_ENV is the default", async () => {
  expect(await settingsOf({ env: { CNB_EXEC_ENV: "" } })).toMatchObject({ execEnv: "production" });
});

test("a daemon accepts tags of any registry", async () => {
  const settings = await settingsOf({ args: ["-daemon", "reg.example/app", "other.example/app"] });
  expect(settings.daemon).toBe(true);
});

test("warnings come in the reference's order", async () => {
  const { result, lines } = resolve({ args: ["-launch-cache", "/lc", "-parallel", "reg.example/app"] });
  await result;
  expect(lines).toEqual([
    NO_CACHE,
    "warn Ignoring -launch-cache, only intended for use with -daemon",
    "warn parallel export has been enabled, but it has not taken effect because cache image (-cache-image) has not been specified.",
  ]);
});

test.each([[["-cache-image", "cache"]], [["-cache-dir", "/c"]]])("no warning with %j", async (cache) => {
  const { result, lines } = resolve({ args: [...cache, "-parallel", "app"] });
  await result;
  expect(lines).toEqual([]);
});

describe("layout mode", () => {
  const refusal = "experimental features are disabled by CNB_EXPERIMENTAL_MODE=error";
  const line = "Platform requested experimental feature 'export to OCI layout format'";
  test.each<[Record<string, string>, string[], string | undefined]>([
    [{}, [NO_CACHE, `error ${line}`], refusal],
    [{ CNB_EXPERIMENTAL_MODE: "error" }, [NO_CACHE, `error ${line}`], refusal],
    [{ CNB_EXPERIMENTAL_MODE: "warn" }, [NO_CACHE, `warn ${line}`], undefined],
    [{ CNB_EXPERIMENTAL_MODE: "silent" }, [NO_CACHE, `warn ${line}`], undefined],
    [{ CNB_EXPERIMENTAL_MODE: "quiet" }, [NO_CACHE], undefined],
  ])("%j", async (env, expectedLines, message) => {
    const { result, lines } = resolve({ args: ["-layout", "app"], env });
    if (message === undefined) await result;
    else expect(await rejectionOf(result)).toMatchObject({ message, exitCode: 1 });
    expect(lines).toEqual(expectedLines);
  });
});

describe("SOURCE_DATE_EPOCH", () => {
  test.each([
    ["0.9", "1700000000", 1700000000n, false],
    ["0.9", "0", 0n, false],
    ["0.9", "-1", -1n, false],
    ["0.9", "-62135596800", undefined, false],
    ["0.9", "9223372036854775807", 9223372036854775807n, false],
    ["0.9", "9223372036854775808", undefined, true],
    ["0.9", "tomorrow", undefined, true],
    ["0.9", "", undefined, false],
    ["0.8", "1700000000", undefined, false],
    ["0.8", "tomorrow", undefined, false],
  ])("API %s, %j", async (api, text, seconds, isInvalid) => {
    const settings = await settingsOf({ env: { CNB_PLATFORM_API: api, SOURCE_DATE_EPOCH: text } });
    expect(settings).toMatchObject({ sourceDateEpoch: seconds, isSourceDateEpochInvalid: isInvalid });
  });
});
