import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { digestOf } from "../../src/oci/digest.ts";
import { tempTree } from "../support/files/temp-tree.ts";
import { verifyLayout } from "../support/images/layout.ts";
import { writeLayout } from "../support/images/layout-writer.ts";
import { expectOneChange, killedSteps, pausedSteps, stepsOf } from "../support/process/killed-steps.ts";

const OLD = { copied: "run image", made: "one" };
const NEW = { copied: "newer run image", made: "two" };

const diffIdsOf = (contents: typeof OLD) => Object.values(contents).map((text) => digestOf(Buffer.from(text)));

/** Verifies every byte of a layout's image. */
function imageOf(directory: string): string[] {
  const { layers } = verifyLayout(join(directory, "app"));
  expect(layers.every(({ isHere }) => isHere)).toBe(true);
  return layers.map(({ diffId }) => diffId);
}

function workDirectories(directory: string): string[] {
  return readdirSync(join(directory, "app")).filter((name) => name.startsWith(".making-"));
}

test("a kill before any step leaves the old image or the new one, and the next run cleans up", async () => {
  const found: ("old" | "new")[] = [];
  for await (const { path } of killedSteps("layout", NEW, (directory) => writeLayout(directory, OLD))) {
    const image = imageOf(path);
    expect([diffIdsOf(OLD), diffIdsOf(NEW)]).toContainEqual(image);
    found.push(image.join() === diffIdsOf(OLD).join() ? "old" : "new");
    await writeLayout(path, NEW);
    expect(imageOf(path)).toEqual(diffIdsOf(NEW));
    expect(readdirSync(join(path, "app")).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
    // Config, manifest and two layers of each image.
    expect(readdirSync(join(path, "app", "blobs", "sha256"))).toHaveLength(8);
  }
  expectOneChange(found);
});

test("two exports to one layout both write a complete image, with one paused before every third step", async () => {
  const isLocked: boolean[] = [];
  for await (const { path, resume } of pausedSteps("layout", NEW, async () => undefined, 3)) {
    const [making] = existsSync(join(path, "app")) ? workDirectories(path) : [];
    isLocked.push(making !== undefined && existsSync(join(path, "app", making, "lock")));
    await writeLayout(path, OLD);
    expect([diffIdsOf(OLD), diffIdsOf(NEW)]).toContainEqual(imageOf(path));
    if (isLocked.at(-1)) expect(workDirectories(path)).toEqual([making]);
    expect(await resume()).toBeUndefined();
    expect([diffIdsOf(OLD), diffIdsOf(NEW)]).toContainEqual(imageOf(path));
    expect(readdirSync(join(path, "app")).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
    expect(readdirSync(join(path, "app", "blobs", "sha256"))).toHaveLength(8);
  }
  expect(new Set(isLocked)).toEqual(new Set([false, true]));
});

test("files are synced before they are renamed, and the index is written last", async () => {
  const directory = tempTree();
  const steps = await stepsOf("layout", directory, NEW);
  const synced = (path: string, before: number) => steps.slice(0, before).includes(`sync ${path}`);
  const renames = steps.flatMap((step, at) => {
    const [what, from = "", to = ""] = step.split(" ");
    return what === "rename" ? [{ from, to, at }] : [];
  });
  const app = join(directory, "app");
  // Two layers, config, manifest, oci-layout, index.json.
  expect(renames).toHaveLength(6);
  for (const { from, at } of renames) expect({ from, isSynced: synced(from, at) }).toEqual({ from, isSynced: true });
  const index = renames.at(-1);
  expect(index?.to).toBe(join(app, "index.json"));
  for (const to of new Set(renames.slice(0, -1).map((rename) => rename.to))) {
    const named = renames.findIndex((rename) => rename.to === to);
    const between = steps.slice(renames[named]?.at, index?.at);
    expect(between).toContain(`sync ${dirname(to)}`);
  }
  expect(steps.slice(index?.at)).toContain(`sync ${app}`);
});
