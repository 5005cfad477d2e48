import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { EMPTY_CACHE_METADATA } from "../../../src/cnb/cache-metadata.ts";
import { addText, diffIdOfText, metadataOf, openCache, writeCache } from "../../support/cache-writer.ts";
import { METADATA_FILE, readCommitted } from "../../support/tar-store.ts";
import { tempTree } from "../../unit/temp-tree.ts";
import { rejectionOf } from "../../unit/thrown-by.ts";

function tarName(text: string): string {
  return `${diffIdOfText(text)}.tar`;
}

const OLD = { added: { a: "one", b: "two" }, kept: {} };

/** A directory with a committed cache of the layers `one` and `two`. */
async function cacheOfTwo(): Promise<string> {
  const directory = tempTree();
  await writeCache(directory, OLD);
  return directory;
}

describe("open", () => {
  test("wants a directory", async () => {
    const path = join(tempTree(), "nothing");
    expect(await rejectionOf(openCache(path))).toMatchObject({ message: `stat ${path}: no such file or directory` });
    expect(existsSync(path)).toBe(false);
  });

  test("names what it cannot do", async () => {
    const file = join(tempTree({ file: "" }), "file");
    expect(await rejectionOf(openCache(file))).toMatchObject({
      message: expect.stringMatching(`^initializing staging directory '${file}/staging': .*: not a directory$`),
    });
  });

  test("makes staging and committed, with the modes that the umask leaves", async () => {
    const directory = tempTree();
    const cache = await openCache(directory);
    expect(readdirSync(directory).sort()).toEqual(["committed", "staging"]);
    for (const name of ["committed", "staging"])
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o777 & ~process.umask());
    expect(await cache.metadata()).toEqual(EMPTY_CACHE_METADATA);
  });

  test("removes what a run before it staged, and a finished commit's backup", async () => {
    const directory = await cacheOfTwo();
    const before = readCommitted(directory);
    mkdirSync(join(directory, "staging", "deep"), { recursive: true });
    writeFileSync(join(directory, "staging", "x.tar.part"), "half a tar");
    mkdirSync(join(directory, "committed-backup"));
    writeFileSync(join(directory, "committed-backup", tarName("zero")), "zero");
    await openCache(directory);
    expect(readdirSync(directory).sort()).toEqual(["committed", "staging"]);
    expect(readdirSync(join(directory, "staging"))).toEqual([]);
    expect(readCommitted(directory)).toEqual(before);
  });

  test.each(["is not there", "is empty"])(
    "takes back the reference's backup when the committed cache %s",
    async (state) => {
      const directory = await cacheOfTwo();
      const before = readCommitted(directory);
      renameSync(join(directory, "committed"), join(directory, "committed-backup"));
      if (state === "is empty") mkdirSync(join(directory, "committed"));
      const cache = await openCache(directory);
      expect(readdirSync(directory).sort()).toEqual(["committed", "staging"]);
      expect(readCommitted(directory)).toEqual(before);
      expect(await cache.metadata()).toEqual(metadataOf(OLD));
    },
  );
});

test.each(["", "{", "[]", '{"buildpacks": 1}'])("metadata %j is none", async (text) => {
  const directory = tempTree({ [`committed/${METADATA_FILE}`]: text });
  expect(await (await openCache(directory)).metadata()).toEqual(EMPTY_CACHE_METADATA);
});

test("metadata that cannot be read is a fault", async () => {
  const directory = tempTree({ [`committed/${METADATA_FILE}/`]: "" });
  const path = join(directory, "committed", METADATA_FILE);
  expect(await rejectionOf((await openCache(directory)).metadata())).toMatchObject({
    message: `opening metadata file '${path}': open ${path}: is a directory`,
  });
});

describe("a committed layer", () => {
  test("has no flaw", async () => {
    const cache = await openCache(await cacheOfTwo());
    expect(await cache.flawOf(diffIdOfText("one"))).toBeUndefined();
  });

  test("may be absent", async () => {
    const cache = await openCache(await cacheOfTwo());
    const diffId = diffIdOfText("three");
    expect(await cache.flawOf(diffId)).toBe(`failed to find cache layer with SHA '${diffId}'`);
    expect(await cache.find(diffId)).toBeUndefined();
  });

  test("may be something else", async () => {
    const directory = await cacheOfTwo();
    const [one, other] = [diffIdOfText("one"), diffIdOfText("other")];
    const path = join(directory, "committed", tarName("one"));
    writeFileSync(path, "other");
    const cache = await openCache(directory);
    expect(await cache.flawOf(one)).toBe(`expected layer contents to have SHA '${one}'; found '${other}'`);
    expect(await cache.find(one)).toBe(path);
  });

  test("may be unreadable (D16)", async () => {
    const directory = await cacheOfTwo();
    const path = join(directory, "committed", tarName("one"));
    rmSync(path);
    mkdirSync(path);
    const cache = await openCache(directory);
    expect(await cache.flawOf(diffIdOfText("one"))).toMatch(/^hashing layer: .*EISDIR/);
  });
});

describe("commit", () => {
  test("leaves the layers that were added and kept, the metadata with a newline, and nothing else", async () => {
    const directory = await cacheOfTwo();
    const contents = { added: { c: "three" }, kept: { a: "one" } };
    const inode = statSync(join(directory, "committed", tarName("one"))).ino;
    await writeCache(directory, contents);
    expect(readdirSync(directory)).toEqual(["committed"]);
    const { metadata, tars, flaws } = readCommitted(directory);
    expect(flaws).toEqual([]);
    expect([...tars].sort()).toEqual([tarName("one"), tarName("three")].sort());
    expect(metadata).toBe(
      `{"sbom":{"sha":""},"buildpacks":[{"key":"b","version":"1","layers":{"a":{"sha":"${diffIdOfText("one")}","data":null,"build":false,"launch":false,"cache":true},"c":{"sha":"${diffIdOfText("three")}","data":null,"build":false,"launch":false,"cache":true}}}]}\n`,
    );
    expect(statSync(join(directory, "committed", tarName("one"))).ino).toBe(inode);
  });

  test("replaces a tar that was something else", async () => {
    const directory = await cacheOfTwo();
    writeFileSync(join(directory, "committed", tarName("one")), "other");
    await writeCache(directory, { added: { a: "one" }, kept: { b: "two" } });
    expect(readCommitted(directory)).toMatchObject({ flaws: [] });
  });

  test("has a layer once that was added twice", async () => {
    const directory = tempTree();
    const cache = await openCache(directory);
    for (let time = 0; time < 2; time++) await addText(cache, "one");
    expect(cache.has(diffIdOfText("one"))).toBe(true);
    await cache.commit(metadataOf({ added: { a: "one" }, kept: {} }));
    expect(readCommitted(directory)).toMatchObject({ tars: [tarName("one")], flaws: [] });
  });

  test("without metadata is a launch cache", async () => {
    const directory = tempTree({ [`committed/${tarName("old")}`]: "old", [`committed/${tarName("one")}`]: "one" });
    const cache = await openCache(directory);
    expect(readFileSync((await cache.find(diffIdOfText("one"))) ?? "", "utf8")).toBe("one");
    cache.keep(diffIdOfText("one"));
    await addText(cache, "two");
    await cache.commit();
    expect(readdirSync(join(directory, "committed")).sort()).toEqual([tarName("one"), tarName("two")].sort());
  });

  test("comes once and last", async () => {
    const cache = await openCache(tempTree());
    await cache.commit(EMPTY_CACHE_METADATA);
    const fault = { message: "cache cannot be modified after commit" };
    expect(await rejectionOf(cache.commit(EMPTY_CACHE_METADATA))).toMatchObject(fault);
    expect(await rejectionOf(cache.add({ path: "x", size: 0 }, diffIdOfText("x")))).toMatchObject(fault);
    expect(() => cache.keep(diffIdOfText("x"))).toThrow(fault.message);
  });

  test("of what JSON cannot hold changes nothing", async () => {
    const directory = await cacheOfTwo();
    const before = readCommitted(directory);
    const cache = await openCache(directory);
    await addText(cache, "three");
    const layer = { diffId: "x", data: Number.NaN, build: false, launch: false, cache: true };
    const metadata = { sbom: "", buildpacks: [{ key: "b", version: "", layers: new Map([["l", layer]]) }] };
    expect(await rejectionOf(cache.commit(metadata))).toMatchObject({
      message: "setting cache metadata: marshalling metadata: json: unsupported value: NaN",
    });
    await cache.close();
    expect(readCommitted(directory)).toEqual(before);
    expect(readdirSync(directory)).toEqual(["committed"]);
  });
});
