import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import promises from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { DirectoryCache } from "../../../src/caches/directory-cache.ts";
import { EMPTY_CACHE_METADATA } from "../../../src/cnb/lifecycle-metadata.ts";
import { LaunchCache } from "../../../src/destinations/daemon/launch-cache.ts";
import { Fault } from "../../../src/errors/fault.ts";
import { Monitor } from "../../../src/observe/monitor.ts";
import { applyBuiltinMocks } from "../../support/builtin-mocks.ts";
import { NO_SMALL_DISK, smallDisk } from "../../support/files/small-disk.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { addText, diffIdOfText, metadataOf, openCache, writeCache } from "../../support/images/cache-writer.ts";
import { METADATA_FILE, readCommitted } from "../../support/images/tar-store.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

function tarName(text: string): string {
  return `${diffIdOfText(text)}.tar`;
}

const refusal = (syscall: string, code = "EPERM") => Object.assign(new Error(code), { code, errno: -1, syscall });

/** Refuses as many renames to a target as it is given times. */
function forbidRenameTo(targets: string[], code = "EPERM"): void {
  const { rename } = promises;
  vi.spyOn(promises, "rename").mockImplementation(async (from, to) => {
    const next = targets.indexOf(String(to));
    if (next >= 0) {
      targets.splice(next, 1);
      throw refusal("rename", code);
    }
    await rename(from, to);
  });
  applyBuiltinMocks();
}

function forbidUnlink(target: string): void {
  const { unlink } = promises;
  vi.spyOn(promises, "unlink").mockImplementation(async (path) => {
    if (path === target) throw refusal("unlink");
    await unlink(path);
  });
  applyBuiltinMocks();
}

/** Records what a crash of the machine would leave: each synced directory with its names, each synced file without. */
function recordSyncs(): (readonly [path: string, ...names: string[]])[] {
  const synced: (readonly [string, ...string[]])[] = [];
  const { open } = promises;
  vi.spyOn(promises, "open").mockImplementation(async (...args) => {
    const file = await open(...args);
    const { sync } = file;
    const path = String(args[0]);
    file.sync = async () => {
      synced.push([path, ...(statSync(path).isDirectory() ? readdirSync(path).sort() : [])]);
      await sync.call(file);
    };
    return file;
  });
  applyBuiltinMocks();
  return synced;
}

const OLD = { added: { a: "one", b: "two" }, kept: {} };

const CACHE_STAGING = "staging-tandem";

async function cacheOfTwo(): Promise<string> {
  const directory = tempTree();
  await writeCache(directory, OLD);
  return directory;
}

describe("open", () => {
  test("requires an existing directory", async () => {
    const path = join(tempTree(), "nothing");
    expect(await rejectionOf(openCache(path))).toMatchObject({ message: `stat ${path}: no such file or directory` });
    expect(existsSync(path)).toBe(false);
  });

  test("names the operation that failed", async () => {
    const file = join(tempTree({ file: "" }), "file");
    expect(await rejectionOf(openCache(file))).toMatchObject({
      message: `initializing staging directory '${file}/${CACHE_STAGING}': mkdir ${file}/${CACHE_STAGING}: not a directory`,
    });
  });

  test("rejects a file in the place of the committed cache", async () => {
    const directory = tempTree({ committed: "" });
    const path = join(directory, "committed");
    expect(await rejectionOf(openCache(directory))).toMatchObject({
      message: `creating committed directory '${path}': mkdir ${path}: not a directory`,
    });
    expect(readdirSync(directory)).toEqual(["committed"]);
  });

  test("creates directories for staged and committed tars, with modes according to the umask", async () => {
    const directory = tempTree();
    const cache = await openCache(directory);
    expect(readdirSync(directory).sort()).toEqual(["committed", "staging", CACHE_STAGING]);
    for (const path of [join(directory, "committed"), cache.stagingDir])
      expect(statSync(path).mode & 0o777).toBe(0o777 & ~process.umask());
    expect(await cache.metadata()).toEqual(EMPTY_CACHE_METADATA);
  });

  test.each([CACHE_STAGING, "staging"])(
    "removes an earlier run's leftovers in %s, and a finished commit's backup",
    async (left) => {
      const directory = await cacheOfTwo();
      const before = readCommitted(directory);
      mkdirSync(join(directory, left, "deep"), { recursive: true });
      writeFileSync(join(directory, left, "deep", "x.tar.part"), "half a tar");
      mkdirSync(join(directory, "committed-backup"));
      writeFileSync(join(directory, "committed-backup", tarName("zero")), "zero");
      const cache = await openCache(directory);
      expect(readdirSync(directory).sort()).toEqual(["committed", "staging", CACHE_STAGING]);
      expect(readdirSync(cache.stagingDir)).toEqual([]);
      await cache.close();
      expect(readdirSync(directory)).toEqual(["committed"]);
      expect(readCommitted(directory)).toEqual(before);
    },
  );

  test("leaves what the reference stages meanwhile", async () => {
    const directory = tempTree();
    const cache = await openCache(directory);
    writeFileSync(join(directory, "staging", "layer.tar"), "half a tar");
    await cache.close();
    expect(readdirSync(join(directory, "staging"))).toEqual(["layer.tar"]);
  });

  test("removes a file in the place of a backup", async () => {
    const directory = tempTree({ "committed-backup": "" });
    await (await openCache(directory)).close();
    expect(readdirSync(directory)).toEqual(["committed"]);
  });

  test("gives the system's reason for a leftover that cannot be removed", async () => {
    const directory = tempTree({ [`${CACHE_STAGING}/old/file`]: "" });
    const path = join(directory, CACHE_STAGING, "old", "file");
    forbidUnlink(path);
    expect(await rejectionOf(openCache(directory))).toMatchObject({
      message: `initializing staging directory '${join(directory, CACHE_STAGING)}': unlinkat ${path}: operation not permitted`,
    });
  });

  test.each(["is not there", "is empty"])(
    "restores the reference's backup when the committed cache %s",
    async (state) => {
      const directory = await cacheOfTwo();
      const before = readCommitted(directory);
      renameSync(join(directory, "committed"), join(directory, "committed-backup"));
      if (state === "is empty") mkdirSync(join(directory, "committed"));
      const cache = await openCache(directory);
      expect(readdirSync(directory).sort()).toEqual(["committed", "staging", CACHE_STAGING]);
      expect(readCommitted(directory)).toEqual(before);
      expect(await cache.metadata()).toEqual(metadataOf(OLD));
    },
  );
});

describe("while a cache is open", () => {
  const inUse = (directory: string) => ({
    code: "EXPORT_CACHE_IN_USE",
    message: `another export uses this cache directory: ${directory}`,
    hint: "Give each export a cache directory of its own, or run them one after the other.",
  });

  test("no other export can open it, until it is closed or committed", async () => {
    const directory = tempTree();
    for (const end of ["close", "commit"] as const) {
      const cache = await openCache(directory);
      expect(await rejectionOf(openCache(directory))).toMatchObject(inUse(directory));
      await addText(cache, "one");
      await cache[end]();
    }
    expect(readCommitted(directory)).toMatchObject({ tars: [tarName("one")], flaws: [] });
    await (await openCache(directory)).close();
    expect(readdirSync(directory)).toEqual(["committed"]);
  });

  test("a failed attempt to open it does not lock it", async () => {
    const directory = tempTree({ committed: "" });
    await rejectionOf(openCache(directory));
    rmSync(join(directory, "committed"));
    await (await openCache(directory)).close();
  });

  test("the reference's phases may open it, which removes `staging` and a backup", async () => {
    const directory = await cacheOfTwo();
    const cache = await openCache(directory);
    cache.keep(diffIdOfText("one"));
    await addText(cache, "three");
    for (const name of ["staging", "committed-backup"]) rmSync(join(directory, name), { recursive: true, force: true });
    mkdirSync(join(directory, "staging"));
    const contents = { added: { c: "three" }, kept: { a: "one" } };
    await cache.commit(metadataOf(contents));
    expect(await (await openCache(directory)).metadata()).toEqual(metadataOf(contents));
  });

  test("without locks, an export that takes it over keeps it", async () => {
    const directory = await cacheOfTwo();
    const before = readCommitted(directory);
    const cache = await openCache(directory);
    await addText(cache, "three");
    rmSync(join(directory, CACHE_STAGING), { recursive: true });
    const other = await openCache(directory);
    expect(cache.explain(new Error("no such file"))).toMatchObject(inUse(directory));
    expect(await rejectionOf(cache.commit(metadataOf({ added: { c: "three" }, kept: {} })))).toMatchObject(
      inUse(directory),
    );
    await cache.close();
    expect(readCommitted(directory)).toEqual(before);
    await addText(other, "four");
    await other.commit(metadataOf({ added: { d: "four" }, kept: {} }));
    expect(readCommitted(directory)).toMatchObject({ tars: [tarName("four")], flaws: [] });
    expect(readdirSync(directory)).toEqual(["committed"]);
  });

  test("an error is not blamed on another export if the whole directory is gone", async () => {
    const directory = tempTree();
    const cache = await openCache(directory);
    rmSync(directory, { recursive: true });
    const error = new Error("gone");
    expect(cache.explain(error)).toBe(error);
    await cache.close();
  });

  test("it is not committed if another export has removed a kept tar", async () => {
    const directory = await cacheOfTwo();
    const { metadata } = readCommitted(directory);
    const cache = await openCache(directory);
    cache.keep(diffIdOfText("one"));
    await addText(cache, "three");
    rmSync(join(directory, "committed", tarName("one")));
    const commit = cache.commit(metadataOf({ added: { c: "three" }, kept: { a: "one" } }));
    expect(await rejectionOf(commit)).toMatchObject(inUse(directory));
    expect(readCommitted(directory).metadata).toBe(metadata);
  });

  test.each(["two", "three"])("it is not committed if another export removes the tar '%s' meanwhile", async (text) => {
    const directory = await cacheOfTwo();
    const { metadata } = readCommitted(directory);
    const added = join(directory, "committed", tarName("three"));
    const { rename } = promises;
    vi.spyOn(promises, "rename").mockImplementation(async (from, to) => {
      await rename(from, to);
      if (to === added) rmSync(join(directory, "committed", tarName(text)));
    });
    applyBuiltinMocks();
    const write = writeCache(directory, { added: { c: "three" }, kept: { b: "two" } });
    expect(await rejectionOf(write)).toMatchObject(inUse(directory));
    expect(readCommitted(directory).metadata).toBe(metadata);
    // The other export may have written a tar of the same name.
    expect(existsSync(added)).toBe(text === "two");
  });
});

test.each(["", "{", "[]", '{"buildpacks": 1}'])("metadata %j counts as empty", async (text) => {
  const directory = tempTree({ [`committed/${METADATA_FILE}`]: text });
  expect(await (await openCache(directory)).metadata()).toEqual(EMPTY_CACHE_METADATA);
});

test("unreadable metadata is a fault", async () => {
  const directory = tempTree({ "committed/": "" });
  const path = join(directory, "committed", METADATA_FILE);
  symlinkSync(METADATA_FILE, path);
  expect(await rejectionOf((await openCache(directory)).metadata())).toMatchObject({
    message: `opening metadata file '${path}': open ${path}: too many levels of symbolic links`,
  });
});

describe("a committed layer", () => {
  test("has no flaw if it is intact", async () => {
    const cache = await openCache(await cacheOfTwo());
    expect(await cache.findFlaw(diffIdOfText("one"))).toBeUndefined();
  });

  test("has a flaw if it is absent", async () => {
    const cache = await openCache(await cacheOfTwo());
    const diffId = diffIdOfText("three");
    expect(await cache.findFlaw(diffId)).toBe(`failed to find cache layer with SHA '${diffId}'`);
    expect(await cache.find(diffId)).toBeUndefined();
  });

  test("has a flaw if its contents do not match its name", async () => {
    const directory = await cacheOfTwo();
    const [one, other] = [diffIdOfText("one"), diffIdOfText("other")];
    const path = join(directory, "committed", tarName("one"));
    writeFileSync(path, "other");
    const cache = await openCache(directory);
    expect(await cache.findFlaw(one)).toBe(`expected layer contents to have SHA '${one}'; found '${other}'`);
    expect(await cache.find(one)).toBe(path);
  });

  test.each(["mkdir", "mkfifo"])("has a flaw if it is no regular file (%s)", async (program) => {
    const directory = await cacheOfTwo();
    const path = join(directory, "committed", tarName("one"));
    rmSync(path);
    execFileSync(program, [path]);
    const cache = await openCache(directory);
    expect(await cache.findFlaw(diffIdOfText("one"))).toBe(`hashing layer: ${path} is not a regular file`);
  });

  test("has a flaw in the lifecycle's words if it links to itself", async () => {
    const directory = await cacheOfTwo();
    const path = join(directory, "committed", tarName("one"));
    rmSync(path);
    symlinkSync(path, path);
    const cache = await openCache(directory);
    const flaw = await cache.findFlaw(diffIdOfText("one"));
    expect(flaw).toBe(`hashing layer: stat ${path}: too many levels of symbolic links`);
  });
});

describe("commit", () => {
  test("leaves the added and kept layers, the metadata with a newline, and nothing else", async () => {
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

  test("replaces a tar with other contents", async () => {
    const directory = await cacheOfTwo();
    writeFileSync(join(directory, "committed", tarName("one")), "other");
    await writeCache(directory, { added: { a: "one" }, kept: { b: "two" } });
    expect(readCommitted(directory)).toMatchObject({ flaws: [] });
  });

  test.each(["mkdir", "mkfifo"])(
    "replaces what is no file in the place of a tar and of the metadata (%s)",
    async (program) => {
      const directory = tempTree();
      for (const name of [tarName("one"), METADATA_FILE]) {
        const path = join(directory, "committed", name);
        mkdirSync(join(path, ".."), { recursive: true });
        execFileSync(program, [path]);
        if (program === "mkdir") mkdirSync(join(path, "inside"));
      }
      const cache = await openCache(directory);
      expect(await cache.metadata()).toEqual(EMPTY_CACHE_METADATA);
      expect(await cache.find(diffIdOfText("one"))).toBeUndefined();
      await addText(cache, "one");
      const metadata = metadataOf({ added: { a: "one" }, kept: {} });
      await cache.commit(metadata);
      const expected = await cacheOfTwo();
      await writeCache(expected, { added: {}, kept: { a: "one" } });
      expect(readCommitted(directory)).toEqual(readCommitted(expected));
    },
  );

  const NEXT = { added: { c: "three" }, kept: { b: "two" } };

  test("syncs tars before the metadata that names them, and that before obsolete tars are removed", async () => {
    const directory = await cacheOfTwo();
    const committed = join(directory, "committed");
    const synced = recordSyncs();
    await writeCache(directory, NEXT);
    const names = [METADATA_FILE, ...["one", "two", "three"].map(tarName)].sort();
    const staged = expect.stringMatching(`^${directory}/${CACHE_STAGING}/.*/${METADATA_FILE}$`);
    expect(synced).toEqual([[staged], [committed, ...names], [committed, ...names]]);
  });

  test("syncs a directory that replaces the old one before and after it takes its place", async () => {
    const directory = await cacheOfTwo();
    const committed = join(directory, "committed");
    forbidRenameTo([join(committed, METADATA_FILE)]);
    const synced = recordSyncs();
    await writeCache(directory, NEXT);
    const names = [METADATA_FILE, ...["two", "three"].map(tarName)].sort();
    const next = expect.stringMatching(`^${directory}/${CACHE_STAGING}/.*/committed$`);
    expect(synced.slice(-2)).toEqual([
      [next, ...names],
      [directory, "committed", "committed-backup", "staging", CACHE_STAGING],
    ]);
  });

  test("succeeds although an obsolete tar cannot be removed, and removes the others", async () => {
    const directory = await cacheOfTwo();
    const [one = ""] = readCommitted(directory).tars;
    forbidUnlink(join(directory, "committed", one));
    await writeCache(directory, { added: { c: "three" }, kept: {} });
    const { tars, metadata } = readCommitted(directory);
    expect(metadata).toContain(diffIdOfText("three"));
    expect([...tars].sort()).toEqual([one, tarName("three")].sort());
  });

  test.each(["EPERM", "EACCES"])("replaces the directory if replacing the metadata fails with %s", async (code) => {
    const directory = await cacheOfTwo();
    forbidRenameTo([join(directory, "committed", METADATA_FILE)], code);
    // One tar has replaced the old one by then.
    await writeCache(directory, { added: { a: "one", c: "three" }, kept: { b: "two" } });
    expect(readdirSync(directory)).toEqual(["committed"]);
    expect(readCommitted(directory)).toMatchObject({ flaws: [] });
    expect([...readCommitted(directory).tars].sort()).toEqual(["one", "two", "three"].map(tarName).sort());
  });

  test("succeeds although the directory that it replaced cannot be removed", async () => {
    const directory = await cacheOfTwo();
    forbidRenameTo([join(directory, "committed", METADATA_FILE)]);
    forbidUnlink(join(directory, "committed-backup", tarName("one")));
    await writeCache(directory, NEXT);
    expect(readCommitted(directory)).toMatchObject({ flaws: [] });
    expect(readCommitted(directory).metadata).toContain(diffIdOfText("three"));
  });

  test("leaves the old cache without added tars if the directory cannot be replaced either", async () => {
    const directory = await cacheOfTwo();
    const before = readCommitted(directory);
    const [committed, backup] = [join(directory, "committed"), join(directory, "committed-backup")];
    forbidRenameTo([join(committed, METADATA_FILE), backup]);
    expect(await rejectionOf(writeCache(directory, NEXT))).toMatchObject({
      message: `committing cache: rename ${committed} ${backup}: operation not permitted`,
    });
    expect(readCommitted(directory)).toEqual(before);
    expect(readdirSync(directory)).toEqual(["committed"]);
  });

  test("leaves the old cache a tar that the new one has, too, if the directory cannot be replaced either", async () => {
    const directory = await cacheOfTwo();
    const before = readCommitted(directory);
    const committed = join(directory, "committed");
    forbidRenameTo([join(committed, METADATA_FILE), join(directory, "committed-backup")]);
    await rejectionOf(writeCache(directory, { added: { other: "one", c: "three" }, kept: {} }));
    expect(readCommitted(directory)).toEqual(before);
  });

  test("puts the old cache back at once if the new directory cannot take its place", async () => {
    const directory = await cacheOfTwo();
    const before = readCommitted(directory);
    const committed = join(directory, "committed");
    forbidRenameTo([join(committed, METADATA_FILE), committed]);
    await rejectionOf(writeCache(directory, NEXT));
    expect(readCommitted(directory)).toEqual(before);
    expect(readdirSync(directory)).toEqual(["committed"]);
  });

  test("keeps the error of a replacement that cannot be undone", async () => {
    const directory = await cacheOfTwo();
    const committed = join(directory, "committed");
    const before = readdirSync(committed);
    forbidRenameTo([join(committed, METADATA_FILE), committed, committed]);
    expect(await rejectionOf(writeCache(directory, NEXT))).toMatchObject({
      message: expect.stringMatching(`^committing cache: rename ${directory}/${CACHE_STAGING}/.* ${committed}: `),
    });
    expect(readdirSync(join(directory, "committed-backup"))).toEqual(before);
  });

  test("replaces a link to a directory on another file system", async ({ skip }) => {
    const other = smallDisk("size=1m") ?? skip(NO_SMALL_DISK);
    const directory = await cacheOfTwo();
    const committed = join(directory, "committed");
    cpSync(committed, join(other, "cache"), { recursive: true });
    rmSync(committed, { recursive: true });
    symlinkSync(join(other, "cache"), committed);
    await writeCache(directory, NEXT);
    expect(readdirSync(directory)).toEqual(["committed"]);
    expect(lstatSync(committed).isDirectory()).toBe(true);
    expect(readCommitted(directory)).toMatchObject({ flaws: [] });
    expect([...readCommitted(directory).tars].sort()).toEqual([tarName("two"), tarName("three")].sort());
  });

  test("stores a layer once that was added twice", async () => {
    const directory = tempTree();
    const cache = await openCache(directory);
    for (let time = 0; time < 2; time++) await addText(cache, "one");
    expect(cache.has(diffIdOfText("one"))).toBe(true);
    await cache.commit(metadataOf({ added: { a: "one" }, kept: {} }));
    expect(readCommitted(directory)).toMatchObject({ tars: [tarName("one")], flaws: [] });
  });

  test("leaves out a layer that could not be added", async () => {
    const directory = tempTree();
    const cache = await openCache(directory);
    forbidRenameTo([join(cache.stagingDir, tarName("one"))]);
    await rejectionOf(addText(cache, "one"));
    await addText(cache, "two");
    await cache.commit(metadataOf({ added: { b: "two" }, kept: {} }));
    expect(readCommitted(directory)).toMatchObject({ tars: [tarName("two")], flaws: [] });
  });

  test("without metadata makes a launch cache", async () => {
    const directory = tempTree({ [`committed/${tarName("old")}`]: "old", [`committed/${tarName("one")}`]: "one" });
    const cache = await openCache(directory);
    expect(readFileSync((await cache.find(diffIdOfText("one"))) ?? "", "utf8")).toBe("one");
    cache.keep(diffIdOfText("one"));
    await addText(cache, "two");
    await cache.commit();
    expect(readdirSync(join(directory, "committed")).sort()).toEqual([tarName("one"), tarName("two")].sort());
  });

  test("may be called once, as the last call", async () => {
    const cache = await openCache(tempTree());
    await cache.commit(EMPTY_CACHE_METADATA);
    const fault = { message: "cache cannot be modified after commit" };
    expect(await rejectionOf(cache.commit(EMPTY_CACHE_METADATA))).toMatchObject(fault);
    expect(await rejectionOf(cache.add({ path: "x", size: 0 }, diffIdOfText("x")))).toMatchObject(fault);
    expect(() => cache.keep(diffIdOfText("x"))).toThrow(fault.message);
  });

  test("changes nothing if the metadata cannot be JSON", async () => {
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

test.each([
  ["a failure of the app image", () => Promise.reject(new Error("failed")), AbortSignal.any([]), "failed"],
  [
    "an abort after the app image is saved",
    () => Promise.resolve(),
    AbortSignal.abort(new Error("aborted")),
    "aborted",
  ],
])("%s prevents the commit of a cache directory", async (_what, appSaved, signal, message) => {
  const directory = tempTree();
  const store = new DirectoryCache(directory, await openCache(directory), new Monitor());
  expect(await rejectionOf(store.commit([], EMPTY_CACHE_METADATA, appSaved(), signal))).toMatchObject({ message });
  await store.close();
  expect(readdirSync(join(directory, "committed"))).toEqual([]);
});

test("a launch cache does not give away a damaged tar", async () => {
  const directory = tempTree({ [`committed/${tarName("one")}`]: "one", [`committed/${tarName("two")}`]: "damaged" });
  const cache = await LaunchCache.open(directory, async (path) => diffIdOfText(readFileSync(path, "utf8")));
  if (cache instanceof Fault) throw cache;
  expect(await cache.find(diffIdOfText("one"))).toMatchObject({ size: 3 });
  expect(await cache.find(diffIdOfText("two"))).toBeUndefined();
  await cache.close();
});
