import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readNames } from "../../../../workers/scan/directory-names.ts";
import { tempTree } from "../../../support/files/temp-tree.ts";

test("a directory that is read in runs has its names in order", () => {
  const root = tempTree();
  const count = 33_000;
  for (let i = 0; i < count; i++) writeFileSync(join(root, `f${(i * 7919) % count}`), "");
  const few = readNames(root, 0);
  const many = readNames(root, Number.MAX_SAFE_INTEGER);
  for (let i = 0; i < count; i++) if (many.take() !== few.take()) expect.fail(`name ${i} differs`);
  expect([many.next, many.take(), few.take()]).toEqual([undefined, undefined, undefined]);
});
