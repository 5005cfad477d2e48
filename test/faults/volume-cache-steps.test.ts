import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { cacheMetadataJson } from "../../src/cnb/lifecycle-metadata.ts";
import {
  type CacheContents,
  diffIdOfText,
  metadataOf,
  writeCache,
  writeLaunchCache,
} from "../support/images/cache-writer.ts";
import { readCommitted } from "../support/images/tar-store.ts";
import { expectOneChange, killedSteps, pausedSteps } from "../support/process/killed-steps.ts";

const OLD = { added: { a: "one", b: "two" }, kept: {} };
const NEW = { added: { b: "three", c: "four" }, kept: { a: "one" } };
/** The new cache as its own successor: everything is kept. */
const AGAIN = { added: {}, kept: { ...NEW.kept, ...NEW.added } };

const jsonOf = (contents: CacheContents) => `${cacheMetadataJson(metadataOf(contents))}\n`;
const tarsOf = ({ added, kept }: CacheContents) =>
  Object.values({ ...kept, ...added }).map((text) => `${diffIdOfText(text)}.tar`);

test("a kill before any step leaves the old cache or the new one, and the next run completes the new one", async () => {
  const found: ("old" | "new")[] = [];
  for await (const { path } of killedSteps("cache", NEW, (directory) => writeCache(directory, OLD))) {
    const { metadata, flaws } = readCommitted(path);
    expect(flaws).toEqual([]);
    expect([jsonOf(OLD), jsonOf(NEW)]).toContain(metadata);
    found.push(metadata === jsonOf(OLD) ? "old" : "new");
    await writeCache(path, metadata === jsonOf(NEW) ? AGAIN : NEW);
    expect(readCommitted(path)).toMatchObject({ metadata: jsonOf(NEW), flaws: [] });
    expect([...readCommitted(path).tars].sort()).toEqual(tarsOf(NEW).sort());
  }
  expectOneChange(found);
});

test("a kill before any step leaves all tars of the old launch cache or of the new one, none truncated", async () => {
  const found: ("old" | "new")[] = [];
  for await (const { path } of killedSteps("launch-cache", NEW, (directory) => writeLaunchCache(directory, OLD))) {
    const { tars, flaws } = readCommitted(path);
    expect(flaws).toEqual([]);
    const has = (contents: typeof NEW | typeof OLD) => tarsOf(contents).every((name) => tars.includes(name));
    expect(has(OLD) || has(NEW)).toBe(true);
    found.push(has(NEW) ? "new" : "old");
    await writeLaunchCache(path, has(NEW) ? AGAIN : NEW);
    expect([...readCommitted(path).tars].sort()).toEqual(tarsOf(NEW).sort());
  }
  expectOneChange(found);
});

const IN_USE = "another export uses this cache directory";
/** Committed by another export meanwhile. */
const OTHER = { added: { d: "five" }, kept: {} };

test("a pause before any step while another export opens the cache leaves the complete cache of one of the two", async () => {
  const found: string[] = [];
  for await (const { path, resume } of pausedSteps("cache", NEW, (directory) => writeCache(directory, OLD))) {
    const before = readCommitted(path);
    const failure = await writeCache(path, OTHER).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    // Nothing is changed while the other process owns it.
    if (failure !== undefined) expect(readCommitted(path)).toEqual(before);
    expect(readCommitted(path).flaws).toEqual([]);
    const failureOfPaused = await resume();
    for (const text of [failure, failureOfPaused]) if (text !== undefined) expect(text).toContain(IN_USE);
    const { metadata, tars, flaws } = readCommitted(path);
    expect(flaws).toEqual([]);
    const winner = metadata === jsonOf(NEW) ? NEW : OTHER;
    expect(metadata).toBe(jsonOf(winner));
    expect([...tars].sort()).toEqual(tarsOf(winner).sort());
    expect(readdirSync(path)).toEqual(["committed"]);
    found.push(failure === undefined ? "other" : "paused");
  }
  // The other process is first while there is no lock, and after its release.
  expect(found.join(" ")).toMatch(/^(other )+(paused )+other( other)*$/);
});
