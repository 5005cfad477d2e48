import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { readBuildBom } from "../../../src/build-output/metadata.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const element = (id: string) => ({
  id,
  version: "1",
  api: "0.7",
  homepage: "h",
  optional: true,
  extension: id === "a",
});

test("entries of all buildpacks in group order, attributed to the group's element", async () => {
  const root = tempTree({
    "x_y_b/build.toml": "[[bom]]\nname = 'b'\nmetadata = {i = 1, f = 1.0}\nbuildpack = {id = 'forged'}",
    "a/build.toml": "[[BOM]]\nName = 'a1'\nversion = 'v'\n[[BOM]]\nname = 'a2'\n[[unmet]]\nname = 'u'",
  });
  const buildpack = { id: "a", version: "1", optional: true, extension: true };
  expect(await readBuildBom(root, [element("x/y/b"), element("missing"), element("a")])).toEqual([
    { name: "b", version: "", metadata: { i: 1n, f: 1 }, buildpack: { ...buildpack, id: "x/y/b", extension: false } },
    { name: "a1", version: "v", metadata: null, buildpack },
    { name: "a2", version: "", metadata: null, buildpack },
  ]);
});

test("a malformed file is an error", async () => {
  const root = tempTree({ "a/build.toml": "bom = 1" });
  expect(await rejectionOf(readBuildBom(root, [element("a")]))).toMatchObject({
    message: `${root}/a/build.toml: toml: (last key "bom"): incompatible types: TOML value has type int64; destination has type slice`,
  });
});

test("a FIFO is rejected without waiting for its writer", async () => {
  const root = tempTree({ "a/": "" });
  execFileSync("mkfifo", [`${root}/a/build.toml`]);
  expect(await rejectionOf(readBuildBom(root, [element("a")]))).toMatchObject({
    message: `open ${root}/a/build.toml: it is a FIFO, not a regular file`,
  });
});
