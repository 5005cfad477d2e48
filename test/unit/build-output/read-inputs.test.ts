import { rmSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { exportDocuments } from "../../../src/build-output/documents.ts";
import type { GroupElement } from "../../../src/cnb/build-metadata.ts";
import { parseCommandLine } from "../../../src/inputs/parse.ts";
import { resolveSettings } from "../../../src/inputs/settings.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const FILES = {
  "analyzed.toml": '[run-image]\nreference = "r.example/run"\nimage = "r.example/switched"',
  "group.toml": '[[group]]\nid = "a"\nversion = "1"\napi = "0.10"',
  "config/metadata.toml": '[[extensions]]\nid = "e"',
  "run.toml": '[[images]]\nimage = "r.example/run"',
  "stack.toml": '[run-image]\nimage = "r.example/stack"',
  "a/jdk/": "",
  "a/build.toml": '[[bom]]\nname = "n"',
};

const ELEMENT = { id: "a", version: "1", api: "0.10", homepage: "", optional: false, extension: false };

async function open(api: string, files: Record<string, string> = {}, group?: readonly GroupElement[]) {
  const root = tempTree({ ...FILES, ...files });
  const env = {
    CNB_PLATFORM_API: api,
    CNB_LAYERS_DIR: root,
    CNB_RUN_PATH: `${root}/run.toml`,
    CNB_STACK_PATH: `${root}/stack.toml`,
  };
  const command = parseCommandLine("exporter", ["-cache-image", "cache", "app"], env, { cores: 1, tempDir: "/tmp" });
  if (command.kind !== "run") throw new Error(command.kind);
  const logger = new RecordingLogger();
  const { settings } = await resolveSettings(command, { env, cwd: "/" }, logger);
  const documents = exportDocuments({ settings, ...(group && { group }) });
  return { root, documents, logger, lines: logger.lines };
}

describe("group", () => {
  test("is read on demand", async () => {
    const { documents } = await open("0.12");
    expect(await documents.group()).toMatchObject([{ id: "a", api: "0.10" }]);
  });

  test("has its Buildpack APIs checked", async () => {
    const { documents } = await open("0.12", { "group.toml": '[[group]]\nid = "a"\nversion = "1"\napi = "0.99"' });
    expect(await rejectionOf(documents.group())).toMatchObject({ exitCode: 12 });
  });
});

test("a given group is not read", async () => {
  const { documents } = await open("0.12", { "group.toml": "[[" }, [{ ...ELEMENT, id: "given" }]);
  expect(await documents.group()).toMatchObject([{ id: "given" }]);
});

test("analyzed.toml is read again for the run image's names", async () => {
  const { root, documents, logger, lines } = await open("0.12");
  rmSync(`${root}/analyzed.toml`);
  expect(await documents.runImage(logger)).toEqual({ image: "", mirrors: [] });
  expect(lines).toEqual([`warn No analyzed metadata found at path "${root}/analyzed.toml"`]);
});

test("metadata.toml is read once, even if the run image needs it first", async () => {
  const { root, documents, logger } = await open("0.12");
  expect(await documents.runImage(logger)).toEqual({ image: "r.example/switched", mirrors: [] });
  rmSync(`${root}/config/metadata.toml`);
  expect(await documents.buildMetadata()).toMatchObject({ extensions: [{ id: "e" }] });
});

test("metadata.toml is not read before it is needed", async () => {
  const { root, documents, logger } = await open("0.12", { "run.toml": '[[images]]\nimage = "r.example/switched"' });
  expect(await documents.runImage(logger)).toEqual({ image: "r.example/switched", mirrors: [] });
  writeFileSync(`${root}/config/metadata.toml`, 'buildpack-default-process-type = "late"');
  expect(await documents.buildMetadata()).toMatchObject({ defaultProcessType: "late" });
});

test("below API 0.12 the run image is stack.toml's", async () => {
  const { documents, logger } = await open("0.11");
  expect(await documents.runImage(logger)).toEqual({ image: "r.example/stack", mirrors: [] });
});

test("the build BOM exists below API 0.9", async () => {
  for (const [api, names] of [
    ["0.8", ["n"]],
    ["0.9", []],
  ] as const) {
    const { documents } = await open(api);
    const bom = await documents.buildBom(await documents.group());
    expect(bom.map((entry) => entry.name)).toEqual(names);
  }
});

test("log lines have the reference's order", async () => {
  const { root, documents, logger, lines } = await open("0.12", { "run.toml": "" });
  await documents.group();
  await documents.projectMetadata(logger);
  await documents.runImage(logger);
  await documents.buildMetadata();
  expect(lines).toEqual([
    `debug No project metadata found at path "${root}/project-metadata.toml", project metadata will not be exported`,
  ]);
});
