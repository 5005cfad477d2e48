import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cacheMetadataJson } from "../../src/cnb/cache-metadata.ts";
import { diffIdOfText, metadataOf, writeCache } from "../support/cache-writer.ts";
import { readCommitted } from "../support/tar-store.ts";
import { tempTree } from "../unit/temp-tree.ts";

const OLD = { added: { a: "one", b: "two" }, kept: {} };
const NEW = { added: { b: "three", c: "four" }, kept: { a: "one" } };
/** The new cache upon itself: all of it is kept. */
const AGAIN = { added: {}, kept: { ...NEW.kept, ...NEW.added } };
const SCRIPT = join(import.meta.dirname, "..", "support", "kill-at-step.ts");

const jsonOf = (contents: typeof NEW | typeof OLD) => `${cacheMetadataJson(metadataOf(contents))}\n`;

/** @returns whether the writer was killed; false when it has fewer steps */
function writeUntil(step: number, directory: string): boolean {
  const { signal, status, stderr } = spawnSync(process.execPath, [
    SCRIPT,
    String(step),
    directory,
    JSON.stringify(NEW),
  ]);
  if (signal === "SIGKILL") return true;
  expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: "" });
  return false;
}

test("killed before any of its steps, a cache is the old one or the new one, and the next run makes the new one", async () => {
  const found: string[] = [];
  for (let step = 1; ; step++) {
    const directory = tempTree();
    await writeCache(directory, OLD);
    const isKilled = writeUntil(step, directory);
    const { metadata, flaws } = readCommitted(directory);
    expect(flaws).toEqual([]);
    expect([jsonOf(OLD), jsonOf(NEW)]).toContain(metadata);
    found.push(metadata === jsonOf(OLD) ? "old" : "new");
    if (!isKilled) break;
    await writeCache(directory, metadata === jsonOf(NEW) ? AGAIN : NEW);
    const tars = ["one", "three", "four"].map((text) => `${diffIdOfText(text)}.tar`);
    expect(readCommitted(directory)).toMatchObject({ metadata: jsonOf(NEW), flaws: [] });
    expect([...readCommitted(directory).tars].sort()).toEqual(tars.sort());
  }
  // The steps are counted at all, and one of them is the change from old to new.
  expect(found.length).toBeGreaterThan(10);
  expect(found).toEqual(found.toSorted().reverse());
  expect(new Set(found)).toEqual(new Set(["old", "new"]));
});
