import { expect, test } from "vitest";
import { readProjectMetadata } from "../../../src/build-output/documents.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

async function read(content: string) {
  return readProjectMetadata(`${tempTree({ "p.toml": content })}/p.toml`, new RecordingLogger());
}

test.each([
  ["", undefined],
  ["[source]", { type: "", version: {}, metadata: {} }],
  [
    "[source]\ntype = 'git'\nversion = {commit = 'c', n = 1}\nmetadata = {repository = 'r'}",
    { type: "git", version: { commit: "c", n: 1n }, metadata: { repository: "r" } },
  ],
  ["[source]\nversion = 'v1'", { type: "", version: {}, metadata: {} }],
])("%j", async (content, source) => {
  expect(await read(content)).toEqual({ source });
});

test("a missing file is a debug line", async () => {
  const logger = new RecordingLogger();
  expect(await readProjectMetadata("/nowhere/p.toml", logger)).toEqual({ source: undefined });
  expect(logger.lines).toEqual([
    'debug No project metadata found at path "/nowhere/p.toml", project metadata will not be exported',
  ]);
});

test("a malformed file is a fault", async () => {
  expect(await rejectionOf(read("source = 1"))).toMatchObject({
    message: expect.stringMatching(/^failed to read project metadata file: .*p\.toml: toml: \(last key "source"\)/),
  });
});
