import { expect, test } from "vitest";
import { readAnalyzed } from "../../../src/build-output/analyzed.ts";
import { EMPTY_METADATA } from "../../support/build/plan-inputs.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

async function read(content: string) {
  return readAnalyzed(`${tempTree({ "analyzed.toml": content })}/analyzed.toml`, new RecordingLogger());
}

test("reads every key of analyzed.toml", async () => {
  const analyzed = await read(`
    [image]
    reference = "reg.example/app@sha256:1"
    [build-image]
    reference = "b"
    [run-image]
    reference = "reg.example/run@sha256:2"
    image = "reg.example/run"
    extend = true
    [run-image.target]
    os = "linux"
    [metadata]
    app = [{sha = "sha256:a1"}, {sha = "sha256:a2"}]
    config = {sha = "sha256:c"}
    launcher = {sha = "sha256:l"}
    process-types = {sha = "sha256:p"}
    sbom = {sha = "sha256:s"}
    run-image = {top-layer = "sha256:t", reference = "r", image = "i", mirrors = ["m"]}
    stack = {run-image = {image = "si", mirrors = ["sm"]}}
    [[metadata.buildpacks]]
    key = "samples/java"
    version = "0.1.0"
    store = {metadata = {n = 9007199254740993}}
    [metadata.buildpacks.layers.jdk]
    sha = "sha256:j"
    launch = true
    cache = true
    metadata = {v = 1}
    [metadata.buildpacks.layers."a.b"]
    build = true
    [[metadata.buildpacks]]
    key = "plain"`);
  expect(analyzed).toEqual({
    previousImage: "reg.example/app@sha256:1",
    runImage: { reference: "reg.example/run@sha256:2", image: "reg.example/run", extend: true },
    metadata: {
      app: ["sha256:a1", "sha256:a2"],
      sbom: "sha256:s",
      buildpacks: [
        {
          key: "samples/java",
          version: "0.1.0",
          layers: new Map([
            ["jdk", { diffId: "sha256:j", data: { v: 1n }, build: false, launch: true, cache: true }],
            ["a.b", { diffId: "", data: null, build: true, launch: false, cache: false }],
          ]),
          store: { metadata: { n: 9007199254740993n } },
        },
        { key: "plain", version: "", layers: new Map() },
      ],
      config: "sha256:c",
      launcher: "sha256:l",
      processTypes: "sha256:p",
      runImage: { topLayer: "sha256:t", reference: "r", image: "i", mirrors: ["m"] },
      stack: { image: "si", mirrors: ["sm"] },
    },
  });
});

test("an empty file has nothing", async () => {
  expect(await read("")).toEqual({ previousImage: "", runImage: undefined, metadata: EMPTY_METADATA });
});

test("a missing file is a warning", async () => {
  const logger = new RecordingLogger();
  const path = `${tempTree()}/an "odd" name.toml`;
  expect(await readAnalyzed(path, logger)).toEqual({
    previousImage: "",
    runImage: undefined,
    metadata: EMPTY_METADATA,
  });
  expect(logger.lines).toEqual([`warn No analyzed metadata found at path "${path.replaceAll('"', '\\"')}"`]);
});

test.each([
  ["[image]\nreference = 1"],
  ["run-image = 'x'"],
  ["[metadata]\napp = 'x'"],
  ["[metadata.config]\nsha = []"],
  ["]"],
])("%j is refused", async (content) => {
  expect(await rejectionOf(read(content))).toMatchObject({
    message: expect.stringMatching(/^failed to read analyzed file: .*analyzed\.toml: toml: /),
    exitCode: undefined,
  });
});
