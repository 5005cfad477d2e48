import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { readBuildMetadata } from "../../../src/build-output/metadata.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

async function read(content: string, minor = 12) {
  return readBuildMetadata(tempTree({ "config/metadata.toml": content }), { major: 0, minor });
}

test("an empty file has null where the label distinguishes absent from empty", async () => {
  expect(await read("")).toEqual({
    bom: null,
    buildpacks: null,
    extensions: null,
    labels: [],
    processes: null,
    slices: [],
    defaultProcessType: "",
  });
  const content = "bom = []\nbuildpacks = []\nextensions = []\nprocesses = []";
  expect(await read(content)).toMatchObject({ bom: [], buildpacks: [], extensions: [], processes: [] });
});

test("reads every key of metadata.toml", async () => {
  const metadata = await read(`
    buildpack-default-process-type = "web"
    [[buildpacks]]
    id = "samples/java"
    version = "0.1.0"
    api = "0.10"
    [[extensions]]
    id = "ext"
    [[labels]]
    key = "k"
    value = "v"
    [[processes]]
    type = "web"
    command = ["java", "-jar"]
    args = ["x"]
    direct = true
    default = true
    buildpack-id = "samples/java"
    working-dir = "/w"
    exec-env = ["production"]
    [[slices]]
    paths = ["a/*", "b"]
    [[slices]]
    [[bom]]
    name = "n"
    metadata = {k = "v"}
    buildpack = {id = "samples/java", version = "0.1.0", optional = true}`);
  expect(metadata).toEqual({
    bom: [
      {
        name: "n",
        version: "",
        metadata: { k: "v" },
        buildpack: { id: "samples/java", version: "0.1.0", optional: true },
      },
    ],
    buildpacks: [
      { id: "samples/java", version: "0.1.0", api: "0.10", homepage: "", optional: false, extension: false },
    ],
    extensions: [{ id: "ext", version: "", api: "", homepage: "", optional: false, extension: false }],
    labels: [{ key: "k", value: "v" }],
    processes: [
      {
        type: "web",
        command: ["java", "-jar"],
        args: ["x"],
        direct: true,
        default: true,
        buildpackId: "samples/java",
        workingDir: "/w",
        execEnv: ["production"],
      },
    ],
    slices: [{ paths: ["a/*", "b"] }, { paths: [] }],
    defaultProcessType: "web",
  });
});

describe("command and args", () => {
  test.each([
    [12, "", null, null],
    [12, "command = 'a b'", ["a b"], null],
    [12, "command = []", [], null],
    [12, "command = ['a', 1, true, 2.5]\nargs = []", ["a", "1", "true", "2.5"], []],
    [12, "command = [1e21, 100000.0, -0.0, inf, -inf, nan]", ["1e+21", "100000", "-0", "+Inf", "-Inf", "NaN"], null],
    [12, "command = [['a', 1], {b = [0.5]}]", ["[a 1]", "map[b:[0.5]]"], null],
    [10, "command = ['a', 'b']\nargs = ['c']", ["a", "b"], ["c"]],
    [9, "command = ['a', 'b']\nargs = ['c']", ["a"], ["b", "c"]],
    [9, "command = ['a', 'b']", ["a"], ["b"]],
    [9, "command = 'a'", ["a"], []],
    [9, "command = []", [], null],
    [9, "", null, null],
  ])("API 0.%i, %j", async (minor, lines, command, args) => {
    const { processes } = await read(`[[processes]]\ntype = 'web'\n${lines}`, minor);
    expect(processes).toMatchObject([{ command, args }]);
  });

  test.each([
    ["command = 5", "unknown command type int64 with data 5"],
    ["command = {a = 1}", "unknown command type map[string]interface {} with data map[a:1]"],
    ["command = 1e6", "unknown command type float64 with data 1e+06"],
    ["[[processes.command]]\na = 1", "unknown command type []map[string]interface {} with data [map[a:1]]"],
  ])("%j is refused", async (line, reason) => {
    const { message } = (await rejectionOf(read(`[[processes]]\n${line}`))) as Error;
    expect(message).toMatch(/^failed to read build metadata file: /);
    expect(message.endsWith(`: toml: (last key "processes[0].command"): ${reason}`)).toBe(true);
  });
});

test("a missing file is an error", async () => {
  expect(await rejectionOf(readBuildMetadata("/nowhere", { major: 0, minor: 12 }))).toMatchObject({
    message: "failed to read build metadata file: open /nowhere/config/metadata.toml: no such file or directory",
    exitCode: undefined,
  });
});

test("a FIFO is rejected without waiting for its writer", async () => {
  const root = tempTree({ "config/": "" });
  execFileSync("mkfifo", [`${root}/config/metadata.toml`]);
  const message = `failed to read build metadata file: open ${root}/config/metadata.toml: it is a FIFO, not a regular file`;
  expect(await rejectionOf(readBuildMetadata(root, { major: 0, minor: 12 }))).toMatchObject({ message });
});
