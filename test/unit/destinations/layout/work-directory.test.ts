import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import {
  makeWorkDirectory,
  removeWorkDirectory,
  workPath,
} from "../../../../src/destinations/layout/work-directory.ts";
import { startOwner } from "../../../support/files/start-owner.ts";
import { tempTree } from "../../../support/files/temp-tree.ts";
import { thrownBy } from "../../../support/thrown-by.ts";

test("removes only the directories of ended exports, with their contents", async () => {
  const layout = tempTree();
  const [killed, living] = [".making-killed", ".making-living"];
  // Earlier releases used names with process ID and start time.
  const gone = [killed, `.making-${process.pid}-1`, ".making-"];
  const kept = [living, "blobs", ".making"];
  for (const name of [...gone, ...kept]) {
    mkdirSync(join(layout, name, "deep"), { recursive: true });
    writeFileSync(join(layout, name, "deep", "half a layer"), "");
  }
  await (await startOwner(join(layout, killed))).kill();
  const owner = await startOwner(join(layout, living));
  makeWorkDirectory(layout, "EXPORT_LAYOUT_CREATE");
  expect(readdirSync(layout).sort()).toEqual([...kept, basename(workPath(layout))].sort());
  expect(readdirSync(join(layout, living)).sort()).toEqual(["deep", "lock"]);
  removeWorkDirectory(layout);
  expect(readdirSync(layout).sort()).toEqual(kept.sort());
  await owner.kill();
});

test("the last user in the process removes the directory", () => {
  const layout = tempTree();
  for (let times = 0; times < 2; times++) makeWorkDirectory(layout, "EXPORT_LAYOUT_CREATE");
  writeFileSync(join(workPath(layout), "half a layer"), "");
  removeWorkDirectory(layout);
  expect(readdirSync(layout)).toHaveLength(1);
  removeWorkDirectory(layout);
  expect(readdirSync(layout)).toEqual([]);
  removeWorkDirectory(layout);
});

test("a directory that disappeared with its layout is no error, and its lock is released", () => {
  const layout = tempTree();
  makeWorkDirectory(layout, "EXPORT_LAYOUT_CREATE");
  const moved = `${layout}-moved`;
  renameSync(layout, moved);
  removeWorkDirectory(layout);
  // Abandoned without a lock, so the next export removes it.
  makeWorkDirectory(moved, "EXPORT_LAYOUT_CREATE");
  expect(readdirSync(moved)).toEqual([basename(workPath(moved))]);
  removeWorkDirectory(moved);
  renameSync(moved, layout);
});

test("the error of a directory that cannot be created names it", () => {
  const layout = join(tempTree(), "file");
  writeFileSync(layout, "");
  expect(thrownBy(() => makeWorkDirectory(layout, "EXPORT_LAYOUT_CREATE"))).toMatchObject({
    code: "EXPORT_LAYOUT_CREATE",
    message: expect.stringMatching(`^mkdir ${layout}/\\.making-[-0-9a-f]+: not a directory$`),
  });
});
