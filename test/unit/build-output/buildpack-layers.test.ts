import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { logBuildpackDirectory, readBuildpackLayers } from "../../../src/build-output/buildpack-layers.ts";
import type { BuildpackLayers } from "../../../src/plan/inputs.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";

const BUILDPACK = {
  id: "samples/java",
  version: "0.1.0",
  api: "0.10",
  homepage: "",
  optional: false,
  extension: false,
};

async function read(layersDir: string) {
  return readBuildpackLayers(layersDir, BUILDPACK);
}

function logged(layers: BuildpackLayers): string[] {
  const logger = new RecordingLogger();
  logBuildpackDirectory(layers, logger);
  return logger.lines;
}

function tree(files: Record<string, string>): string {
  return tempTree(
    Object.fromEntries(Object.entries(files).map(([path, content]) => [`samples_java/${path}`, content])),
  );
}

test("directories and TOML files are layers, in byte order; the buildpack's own files are not", async () => {
  const root = tree({
    "jdk/bin/java": "x",
    "jdk.toml": "metadata = {v = 9007199254740993}\n[types]\nlaunch = true\ncache = true",
    "m2/": "",
    "Only.toml": "[Types]\nBuild = true",
    "launch.toml": "[[processes]]",
    "build.toml": "",
    "store.toml": "[metadata]\nk = 'v'",
    "launch.sbom.cdx.json": "{}",
    ".toml": "launch = true",
    "a.toml/": "",
    plain: "a file without toml",
  });
  const layers = await read(root);
  const path = `${root}/samples_java`;
  const none = { build: false, launch: false, cache: false, data: null, malformed: undefined };
  expect(layers).toEqual({
    buildpack: BUILDPACK,
    path,
    entries: [
      ...[".toml", "Only.toml", "a.toml", "build.toml", "jdk", "jdk.toml", "launch.sbom.cdx.json", "launch.toml"],
      ...["m2", "plain", "store.toml"],
    ],
    layers: [
      { ...none, name: "Only", id: "samples/java:Only", path: `${path}/Only`, hasContents: false, build: true },
      { ...none, name: "a.toml", id: "samples/java:a.toml", path: `${path}/a.toml`, hasContents: true },
      {
        ...{ name: "jdk", id: "samples/java:jdk", path: `${path}/jdk`, hasContents: true, malformed: undefined },
        ...{ build: false, launch: true, cache: true, data: { v: 9007199254740993n } },
      },
      { ...none, name: "m2", id: "samples/java:m2", path: `${path}/m2`, hasContents: true },
    ],
    store: { metadata: { k: "v" } },
  });
  expect(logged(layers)).toEqual([
    `debug Reading buildpack directory: ${path}`,
    ...layers.entries.map((entry) => `debug Reading buildpack directory item: ${entry}`),
  ]);
});

test("a missing directory counts as empty", async () => {
  const root = tempTree();
  const layers = await read(root);
  expect(layers).toMatchObject({ entries: [], layers: [], store: undefined });
  expect(logged(layers)).toEqual([`debug Reading buildpack directory: ${root}/samples_java`]);
});

test("an unreadable directory is a fault", async () => {
  const root = tempTree({ samples_java: "a file" });
  expect(await read(root)).toMatchObject({
    entries: [],
    layers: [],
    unreadable: {
      message: `reading layers for buildpack 'samples/java': open ${root}/samples_java: not a directory`,
    },
  });
});

describe("contents", () => {
  test.each([
    ["a plain file", "file", true],
    ["a symlink to a directory", "link", true],
    ["a dangling symlink", "dangling", false],
    ["nothing", "nothing", false],
  ])("%s", async (_name, name, hasContents) => {
    const root = tree({ "file.toml": "", "link.toml": "", "dangling.toml": "", "nothing.toml": "", file: "x" });
    symlinkSync("/", `${root}/samples_java/link`);
    symlinkSync("/nowhere", `${root}/samples_java/dangling`);
    const { layers } = await read(root);
    expect(layers.find((layer) => layer.name === name)).toMatchObject({ hasContents });
  });
});

describe("store.toml", () => {
  test.each([
    ["", { metadata: null }],
    ["[metadata]", { metadata: {} }],
    ["metadata = 'x'", { metadata: null }],
  ])("%j", async (content, store) => {
    expect((await read(tree({ "store.toml": content }))).store).toEqual(store);
  });

  test("a malformed file is a fault", async () => {
    const root = tree({ "store.toml": "metadata = " });
    const { unreadable, entries, layers } = await read(root);
    expect(unreadable?.message).toMatch(
      `reading layers for buildpack 'samples/java': failed decoding store.toml for buildpack "samples/java": ${root}/samples_java/store.toml: toml: line 1: `,
    );
    expect({ entries, layers }).toEqual({ entries: ["store.toml"], layers: [] });
  });
});

describe("malformed layers", () => {
  test.each([
    ["launch = true", "the launch, cache and build flags should be in the types table of <path>.toml"],
    [
      "build = 'x'\n[types]\nlaunch = true",
      "the launch, cache and build flags should be in the types table of <path>.toml",
    ],
    [
      "[types]\nlaunch = 'true'",
      '<path>.toml: toml: (last key "types.launch"): incompatible types: TOML value has type string; destination has type boolean',
    ],
    ["types = 1", '<path>.toml: toml: (last key "types"): type mismatch: expected table but found int64'],
  ])("%j", async (content, reason) => {
    const root = tree({ "x.toml": content, "x/": "" });
    const path = `${root}/samples_java/x`;
    expect((await read(root)).layers).toEqual([
      {
        ...{ name: "x", id: "samples/java:x", path, hasContents: true, data: null },
        ...{ build: false, launch: false, cache: false, malformed: reason.replace("<path>", path) },
      },
    ]);
  });

  test("a top-level flag counts by its exact name only", async () => {
    const { layers } = await read(tree({ "x.toml": "Launch = true\n[types]\ncache = true" }));
    expect(layers).toMatchObject([{ launch: false, cache: true, malformed: undefined }]);
  });

  test("an unreadable .sha file makes the layer malformed", async () => {
    const { layers } = await read(tree({ "x.toml": "[types]\nlaunch = true", "x.sha/": "" }));
    expect(layers).toMatchObject([
      { name: "x", launch: false, malformed: expect.stringMatching(/^read .*x\.sha: is a directory$/) },
      { name: "x.sha", malformed: undefined },
    ]);
  });

  test("a readable .sha file changes nothing", async () => {
    const { layers } = await read(tree({ "x.toml": "[types]\nlaunch = true", "x.sha": "sha256:old" }));
    expect(layers).toMatchObject([{ launch: true, malformed: undefined }]);
  });
});

describe("a FIFO is rejected without waiting for its writer", () => {
  function treeWithFifo(name: string): string {
    const root = tree({ "x.toml": "", "x/": "" });
    rmSync(`${root}/samples_java/${name}`, { force: true });
    execFileSync("mkfifo", [`${root}/samples_java/${name}`]);
    return root;
  }

  test.each(["x.toml", "x.sha"])("%s", async (name) => {
    const root = treeWithFifo(name);
    const malformed = `open ${root}/samples_java/${name}: it is a FIFO, not a regular file`;
    expect((await read(root)).layers).toMatchObject([{ name: "x", malformed }]);
  });

  test("store.toml", async () => {
    const message = expect.stringMatching(/store\.toml: it is a FIFO, not a regular file$/);
    expect((await read(treeWithFifo("store.toml"))).unreadable).toMatchObject({ message });
  });
});

test("names are bytes in paths and text elsewhere", async () => {
  const root = tree({ "é/": "", "z/": "" });
  const invalid = Buffer.concat([Buffer.from(`${root}/samples_java/b`), Buffer.from([0xff])]);
  mkdirSync(invalid);
  writeFileSync(Buffer.concat([invalid, Buffer.from(".toml")]), "[types]\nlaunch = true");
  const { layers, entries } = await read(root);
  expect(entries).toEqual(["b\udcff", "b\udcff.toml", "z", "é"]);
  expect(layers.map(({ name, path, hasContents, launch }) => ({ name, path, hasContents, launch }))).toEqual([
    { name: "b\udcff", path: `${root}/samples_java/b\u00ff`, hasContents: true, launch: true },
    { name: "z", path: `${root}/samples_java/z`, hasContents: true, launch: false },
    { name: "é", path: `${root}/samples_java/\u00c3\u00a9`, hasContents: true, launch: false },
  ]);
});

test("the name of the layers directory may be non-ASCII", async () => {
  const root = tempTree({ "ü/samples_java/jdk/": "", "ü/samples_java/jdk.toml": "[types]\ncache = true" });
  const directory = await read(`${root}/ü`);
  expect(directory.layers).toMatchObject([
    { path: `${root}/\u00c3\u00bc/samples_java/jdk`, hasContents: true, cache: true },
  ]);
  expect(logged(directory)[0]).toBe(`debug Reading buildpack directory: ${root}/ü/samples_java`);
});
