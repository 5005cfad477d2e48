import { expect, test } from "vitest";
import { readGroup } from "../../../src/build-output/group.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

test("buildpacks are read in order, without extensions", async () => {
  const root = tempTree({
    "group.toml": `
      [[group]]
      id = "samples/java"
      version = "0.1.0"
      api = "0.10"
      homepage = "https://example.com"
      [[group]]
      id = "b"
      optional = true
      [[group-extensions]]
      id = "ext"`,
  });
  expect(await readGroup(`${root}/group.toml`)).toEqual([
    {
      id: "samples/java",
      version: "0.1.0",
      api: "0.10",
      homepage: "https://example.com",
      optional: false,
      extension: false,
    },
    { id: "b", version: "", api: "", homepage: "", optional: true, extension: false },
  ]);
});

test("a missing group.toml is an error", async () => {
  expect(await rejectionOf(readGroup("/nowhere/group.toml"))).toMatchObject({
    message: "failed to read group file: open /nowhere/group.toml: no such file or directory",
  });
});

test("malformed extensions are an error too", async () => {
  const path = `${tempTree({ "group.toml": "group-extensions = 1" })}/group.toml`;
  expect(await rejectionOf(readGroup(path))).toMatchObject({
    message: expect.stringContaining('(last key "group-extensions")'),
  });
});
