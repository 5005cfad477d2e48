import { expect, test } from "vitest";
import { resolveCreate } from "../../../src/creator/settings.ts";
import { parseCommandLine } from "../../../src/inputs/parse.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

interface Run {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
}

const RUN_IMAGE = ["-run-image", "reg.example/run"];

function resolve({ args = [...RUN_IMAGE, "reg.example/app"], env: extra = {}, files = {} }: Run) {
  const cwd = tempTree({ "layers/": "", ...files });
  const env = { CNB_PLATFORM_API: "0.12", CNB_LAYERS_DIR: "layers", CNB_RUN_PATH: `${cwd}/run.toml`, ...extra };
  const command = parseCommandLine("creator", args, env, { cores: 2, tempDir: "/tmp" });
  if (command.kind !== "run") throw new Error(JSON.stringify(command));
  const logger = new RecordingLogger();
  return { cwd, lines: logger.lines, result: resolveCreate(command, { env, cwd }, logger) };
}

test("applies the defaults", async () => {
  const { cwd, lines, result } = resolve({});
  const { settings, build, runImages } = await result;
  expect(runImages).toEqual(["reg.example/run"]);
  expect(build).toEqual({
    buildConfigDir: "/cnb/build-config",
    buildpacksDir: "/cnb/buildpacks",
    early: "upload",
    layersDir: `${cwd}/layers`,
    orderPath: "/cnb/order.toml",
    platformDir: "/platform",
    systemPath: "/cnb/system.toml",
    skipRestore: false,
  });
  expect(settings).toMatchObject({
    analyzedPath: "layers/analyzed.toml",
    groupPath: "layers/group.toml",
    layersDir: `${cwd}/layers`,
    outputImage: "reg.example/app",
    previousImage: "reg.example/app",
    additionalTags: [],
    runImage: "reg.example/run",
    stackPath: "/cnb/stack.toml",
  });
  expect(lines).toEqual(["warn No cached data will be used, no cache specified."]);
});

test("an empty -layers is the working directory for the export, and stays empty for the phases", async () => {
  const { cwd, result } = resolve({ args: ["-layers", "", ...RUN_IMAGE, "reg.example/app"] });
  const { settings, build } = await result;
  expect(settings.layersDir).toBe(cwd);
  expect(build.layersDir).toBe("");
});

test("uses the given flags", async () => {
  const args = [
    ...["-buildpacks", "bps", "-order", "<layers>/own.toml", "-platform", "plat", "-build-config", "config"],
    ...["-previous-image", "reg.example/old", "-tag", "reg.example/aa", "-tag", "reg.example/bb", ...RUN_IMAGE],
    ...["-cache-image", "other.example/cache", "reg.example/app"],
  ];
  const { cwd, lines, result } = resolve({ args });
  const { settings, build } = await result;
  expect(build).toMatchObject({
    buildConfigDir: `${cwd}/config`,
    buildpacksDir: `${cwd}/bps`,
    orderPath: "layers/own.toml",
    platformDir: `${cwd}/plat`,
  });
  expect(settings).toMatchObject({
    previousImage: "reg.example/old",
    additionalTags: ["reg.example/aa", "reg.example/bb"],
  });
  expect(lines).toEqual([]);
});

test("order.toml of the layers directory comes before the builder image's", async () => {
  const { result } = resolve({ files: { "layers/order.toml": "" } });
  expect((await result).build.orderPath).toBe("layers/order.toml");
});

test.each<[string, Run, string]>([
  ["no image", { args: RUN_IMAGE }, "failed to parse arguments: received 0 arguments, but expected 1"],
  ["two", { args: [...RUN_IMAGE, "a", "b"] }, "failed to parse arguments: received 2 arguments, but expected 1"],
  ["an empty one", { args: [...RUN_IMAGE, ""] }, "failed to resolve inputs: image argument is required"],
  [
    "no run image, no run.toml",
    { args: ["reg.example/app"] },
    "failed to resolve inputs: -run-image is required when there is no run metadata available",
  ],
  [
    "no run image, empty run.toml",
    { args: ["reg.example/app"], files: { "run.toml": '[[images]]\nimage = ""\n' } },
    "failed to resolve inputs: missing run image metadata (-run-image)",
  ],
  [
    "no run image, no stack.toml",
    { args: ["-stack", "/none.toml", "reg.example/app"], env: { CNB_PLATFORM_API: "0.11" } },
    "failed to resolve inputs: missing run image metadata (-run-image)",
  ],
  [
    "two registries",
    { args: [...RUN_IMAGE, "-tag", "other.example/app", "reg.example/app"] },
    "failed to resolve inputs: writing to multiple registries is unsupported",
  ],
  [
    "a bad tag",
    { args: [...RUN_IMAGE, "-tag", "A B", "app"] },
    "failed to resolve inputs: could not parse reference: A B",
  ],
  [
    "credentials that cannot be read, without a run image",
    {
      args: ["reg.example/app"],
      env: { CNB_REGISTRY_AUTH: "x" },
      files: { "run.toml": '[[images]]\nimage = "reg.example/run"\n' },
    },
    expect.stringContaining("failed to resolve inputs: unable to create keychain: reading auth env var: "),
  ],
])("%s", async (_, run, message) => {
  expect(await rejectionOf(resolve(run).result)).toMatchObject({ message, exitCode: 3 });
});

test("a layout needs experimental features", async () => {
  const { result } = resolve({ args: ["-layout", "-layout-dir", "/layout", ...RUN_IMAGE, "reg.example/app"] });
  expect(await rejectionOf(result)).toMatchObject({ message: expect.stringContaining("experimental") });
});

test("a run image that is no reference is one of -run-image", async () => {
  expect(await rejectionOf(resolve({ args: ["-run-image", "A B", "app"] }).result)).toMatchObject({
    message: "failed to resolve inputs: could not parse reference: A B",
    hint: expect.stringContaining("Correct -run-image (CNB_RUN_IMAGE)."),
  });
});

test("accepts a run image that the analyzer selects", async () => {
  const files = { "run.toml": '[[images]]\nimage = "reg.example/run"\nmirrors = ["other.example/run"]\n' };
  const { settings, runImages } = await resolve({ args: ["reg.example/app"], files }).result;
  expect(settings.runImage).toBe("");
  expect(runImages).toEqual(["reg.example/run", "other.example/run"]);
});

test("logs warnings in the reference's order", async () => {
  const { lines, result } = resolve({ args: ["-parallel", "-launch-cache", "/lc", ...RUN_IMAGE, "reg.example/app"] });
  await result;
  expect(lines).toEqual([
    "warn No cached data will be used, no cache specified.",
    "warn Ignoring -launch-cache, only intended for use with -daemon",
    "warn Parallel export has been enabled, but it has not taken effect because no cache has been specified.",
  ]);
});
