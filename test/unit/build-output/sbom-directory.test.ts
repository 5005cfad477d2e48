import { join } from "node:path";
import { expect, it } from "vitest";
import { findSboms } from "../../../src/build-output/sboms.ts";
import { tempTree } from "../../support/files/temp-tree.ts";

it("finds a directory of SBOMs, or returns why it cannot be read", async () => {
  const root = tempTree({ "sbom/launch/": "", file: "" });
  expect(await findSboms(join(root, "sbom", "launch"))).toBe(true);
  expect(await findSboms(join(root, "sbom", "cache"))).toBe(false);
  const below = join(root, "file", "launch");
  expect(await findSboms(below)).toMatchObject({ message: `open ${below}: not a directory` });
});
