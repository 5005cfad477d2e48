import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseCacheMetadata } from "../../../src/cnb/lifecycle-metadata.ts";
import { NO_SMALL_DISK, smallDisk } from "../../support/files/small-disk.ts";
import { canTrace, startOwner } from "../../support/files/start-owner.ts";
import { diffIdsOf, METADATA_FILE, readCommitted } from "../../support/images/tar-store.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { EXPORTER, startProgram } from "../../support/process/exporter.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { asFake, type Exported, layerWork, Scene } from "../../support/scenes/scene.ts";

const MODES = [{ flags: [] }, { flags: ["-parallel"] }];

/** A scene with a cache directory, after one export. */
async function sceneWithCache(directory?: string, open = Scene.openSmall) {
  const scene = await open(await FakeRegistry.start());
  const cacheDir = directory ?? join(scene.output.root, "cache");
  mkdirSync(cacheDir, { recursive: true });
  const run = (flags: readonly string[] = []) =>
    scene.export({ cache: "", flags: ["-cache-dir", cacheDir, "-log-level", "debug", ...flags] });
  return { scene, cacheDir, run };
}

/** Like {@link sceneWithCache}, with analyzed.toml for the next export. */
async function built(flags: readonly string[] = []) {
  const { scene, cacheDir, run } = await sceneWithCache();
  expect(await run(flags)).toMatchObject({ exitCode: 0, stderr: "" });
  const app = await scene.analyze();
  return { scene, cacheDir, run, app };
}

/** Passes and tar files for the cache's layers. */
function cacheWork({ events }: Exported) {
  const { jdk, maven } = layerWork(events);
  const files = events.flatMap((event) => (event.event === "layer" ? [[event.id, event.tarFiles] as const] : []));
  const tarFiles = (name: string) => files.find(([id]) => id.endsWith(`:${name}`))?.[1];
  const of = (name: string, work: typeof jdk) => [work?.reads, work?.compressions, tarFiles(name)];
  return { jdk: of("jdk", jdk), maven: of("maven", maven) };
}

function cacheLines({ stdout }: Exported): string[] {
  return stdout.split("\n").filter((line) => line.includes("cache layer '"));
}

const ADDED = ["Adding cache layer 'samples/java:jdk'", "Adding cache layer 'samples/java:maven'"];

/** Checks that the cache has exactly these layers, in its metadata and as tars. */
function expectCache(cacheDir: string, layers: number): ReturnType<typeof readCommitted> {
  const committed = readCommitted(cacheDir);
  expect(committed.flaws).toEqual([]);
  expect(readdirSync(cacheDir)).toEqual(["committed"]);
  const diffIds = diffIdsOf(parseCacheMetadata(committed.metadata));
  expect(diffIds).toHaveLength(layers);
  expect([...committed.tars].sort()).toEqual(diffIds.map((diffId) => `${diffId}.tar`).sort());
  return committed;
}

describe.for(MODES)("a cache directory ($flags)", ({ flags }) => {
  test("gets its tars from the pass that builds the app image's blobs", async () => {
    const { scene, cacheDir, run } = await sceneWithCache();
    const exported = await run(flags);
    expect(exported).toMatchObject({ exitCode: 0, stderr: "" });
    expect(cacheWork(exported)).toEqual({ jdk: [1, 1, 1], maven: [1, 0, 1] });
    expect(cacheLines(exported)).toEqual(ADDED);
    expect(exported.stdout).not.toContain("Layer cache not found");
    const { tars } = expectCache(cacheDir, 2);
    for (const name of [...tars, METADATA_FILE]) {
      const { mode } = statSync(join(cacheDir, "committed", name));
      expect(mode & 0o777).toBe(0o666 & ~process.umask());
    }
    expect(exported.events).toContainEqual(expect.objectContaining({ event: "cache-ready", reference: cacheDir }));
    await verifyImage(scene.appImage);
  });

  test("keeps unchanged tars and writes nothing", async () => {
    const { cacheDir, run } = await built(flags);
    const before = expectCache(cacheDir, 2);
    const inodes = before.tars.map((name) => statSync(join(cacheDir, "committed", name)).ino);
    const exported = await run(flags);
    expect(exported).toMatchObject({ exitCode: 0, stderr: "" });
    expect(cacheWork(exported)).toEqual({ jdk: [1, 0, 0], maven: [1, 0, 0] });
    expect(cacheLines(exported)).toEqual([
      "Reusing cache layer 'samples/java:jdk'",
      "Adding cache layer 'samples/java:jdk'",
      "Reusing cache layer 'samples/java:maven'",
      "Adding cache layer 'samples/java:maven'",
    ]);
    expect(expectCache(cacheDir, 2)).toEqual(before);
    expect(before.tars.map((name) => statSync(join(cacheDir, "committed", name)).ino)).toEqual(inodes);
  });

  test("in the app directory is exported with it, except for its unfinished files", async () => {
    const { scene, run } = await sceneWithCache(undefined, Scene.open);
    const inApp = join(scene.output.appDir, "cache");
    const entries = ["committed", "staging"].map((name) => join(inApp, name));
    for (const entry of entries) mkdirSync(entry, { recursive: true });
    await scene.export({ cache: "" });
    const expected = await verifyImage(scene.appImage);
    for (const entry of entries) rmSync(entry, { recursive: true });
    expect(await run(["-cache-dir", inApp, ...flags])).toMatchObject({ exitCode: 0, stderr: "" });
    expectCache(inApp, 2);
    const { layers } = await verifyImage(scene.appImage);
    expect(layers.map(({ diffId }) => diffId)).toEqual(expected.layers.map(({ diffId }) => diffId));
  });

  test.for([
    ["shared", "jdk", { jdk: [2, 1, 1], maven: [1, 0, 0] }],
    ["own", "maven", { jdk: [1, 0, 0], maven: [2, 0, 1] }],
  ] as const)("takes a changed layer of %s, and lets the old one go", async ([, layer, work]) => {
    const { scene, cacheDir, run } = await built(flags);
    const before = expectCache(cacheDir, 2);
    scene.change(layer);
    const exported = await run(flags);
    expect(exported).toMatchObject({ exitCode: 0, stderr: "" });
    expect(cacheWork(exported)).toEqual(work);
    const { tars } = expectCache(cacheDir, 2);
    expect(tars.filter((name) => before.tars.includes(name))).toHaveLength(1);
  });

  test("rebuilds a damaged tar with a warning", async () => {
    const { cacheDir, run } = await built(flags);
    const before = expectCache(cacheDir, 2);
    for (const name of before.tars) writeFileSync(join(cacheDir, "committed", name), "damaged", { flag: "a" });
    const exported = await run(flags);
    expect(exported.exitCode).toBe(0);
    expect(exported.stderr).toMatch(
      /^(Warning: Skipping reuse for layer samples\/java:(jdk|maven): expected layer contents to have SHA '.*'; found '.*'\n){2}$/,
    );
    expect(cacheLines(exported)).toEqual(ADDED);
    expect(cacheWork(exported)).toEqual({ jdk: [2, 0, 1], maven: [2, 0, 1] });
    expect(expectCache(cacheDir, 2)).toEqual(before);
  });

  test("is left to another export that uses it, with a warning", async () => {
    const { scene, cacheDir, run } = await built(flags);
    const before = expectCache(cacheDir, 2);
    const owner = await startOwner(join(cacheDir, "staging-tandem"));
    scene.change("jdk");
    const exported = await run(flags);
    const reason = `another export uses this cache directory: ${cacheDir}`;
    const hint = "Give each export a cache directory of its own, or run them one after the other.";
    expect(exported).toMatchObject({
      exitCode: 0,
      stderr: `Warning: Failed to export cache: ${reason}\n${hint}\n`,
    });
    expect(exported.events).toContainEqual(expect.objectContaining({ event: "cache-failed", reason }));
    // Nothing is built only for the cache.
    expect(cacheWork(exported)).toEqual({ jdk: [2, 1, 0], maven: [undefined, undefined, undefined] });
    await verifyImage(scene.appImage);
    expect(readCommitted(cacheDir)).toEqual(before);
    await owner.release();
    expect(await run(flags)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(expectCache(cacheDir, 2)).not.toEqual(before);
  });

  test("stays unchanged if the app image fails", async () => {
    const { scene, cacheDir, run } = await built(flags);
    const before = expectCache(cacheDir, 2);
    scene.change("maven");
    rmSync(scene.output.launcher);
    expect(await run(flags)).toMatchObject({ exitCode: 62 });
    expect(expectCache(cacheDir, 2)).toEqual(before);
  });
});

test("a cache directory on a file system without locks is saved", async (context) => {
  if (!canTrace) return context.skip("there is no strace, or it may not trace");
  const { scene, cacheDir } = await sceneWithCache();
  const lock = join(cacheDir, "staging-tandem", "lock");
  const failing = ["-f", "-qq", "-o", "/dev/null", "-P", lock, "-e", "inject=fcntl:error=ENOSYS"];
  const args = scene.arguments({ cache: "", flags: ["-cache-dir", cacheDir] });
  expect(await startProgram("strace", [...failing, EXPORTER, ...args]).ended).toMatchObject({ exitCode: 0 });
  expectCache(cacheDir, 2);
});

test("a lost cache directory is filled by the pass that hashes for the app image", async () => {
  const { cacheDir, run } = await built();
  const before = expectCache(cacheDir, 2);
  rmSync(join(cacheDir, "committed"), { recursive: true });
  const exported = await run();
  expect(cacheWork(exported)).toEqual({ jdk: [1, 0, 1], maven: [1, 0, 1] });
  expect(expectCache(cacheDir, 2)).toEqual(before);
});

test("the first export of another app image reuses an existing cache directory's tars", async () => {
  const { scene, cacheDir, run } = await sceneWithCache();
  await run();
  const before = expectCache(cacheDir, 2);
  const flags = ["-cache-dir", cacheDir];
  const exported = await scene.export({ images: [`${scene.app.host}/other:latest`], cache: "", flags });
  expect(exported).toMatchObject({ exitCode: 0, stderr: "" });
  expect(cacheWork(exported)).toEqual({ jdk: [1, 1, 0], maven: [1, 0, 0] });
  expect(expectCache(cacheDir, 2)).toEqual(before);
});

test.skipIf(process.getuid?.() !== 0)("a tar that the build's user cannot read is rebuilt", async () => {
  const { scene, cacheDir, run } = await sceneWithCache();
  const user = ["-uid", "1000", "-gid", "1000"];
  for (const path of [scene.output.root, scene.output.layersDir]) chownSync(path, 1000, 1000);
  expect(await run(user)).toMatchObject({ exitCode: 0, stderr: "" });
  const before = expectCache(cacheDir, 2);
  for (const path of before.tars.map((name) => join(cacheDir, "committed", name))) {
    expect(statSync(path)).toMatchObject({ uid: 1000, gid: 1000 });
    chmodSync(path, 0);
  }
  await scene.analyze();
  const exported = await run(user);
  expect(exported.exitCode).toBe(0);
  expect(exported.stderr).toMatch(
    /^(Warning: Skipping reuse for layer .*: failed to read cache layer with SHA 'sha256:.*' due to insufficient permissions\n){2}$/,
  );
  expect(expectCache(cacheDir, 2)).toEqual(before);
});

test.skipIf(process.getuid?.() !== 0)(
  "a damaged tar is replaced by a user who may write beside `committed`, but not into it",
  async () => {
    const { scene, cacheDir, run } = await sceneWithCache();
    const user = ["-uid", "1234", "-gid", "1000"];
    for (const path of [scene.output.root, scene.output.layersDir]) chownSync(path, 1234, 1000);
    expect(await run(user)).toMatchObject({ exitCode: 0, stderr: "" });
    const before = expectCache(cacheDir, 2);
    const [damaged = "", whole = ""] = before.tars;
    writeFileSync(join(cacheDir, "committed", damaged), "damaged");
    for (const path of ["", "committed", ...[damaged, whole, METADATA_FILE].map((name) => `committed/${name}`)])
      chownSync(join(cacheDir, path), 0, 0);
    chmodSync(cacheDir, 0o777);
    await scene.analyze();
    const exported = await run(user);
    expect(exported.exitCode).toBe(0);
    expect(exported.stderr).toMatch(
      /^Warning: Skipping reuse for layer \S+: expected layer contents to have SHA .*\n$/,
    );
    const committed = readCommitted(cacheDir);
    expect(committed.flaws).toEqual([]);
    expect([...committed.tars].sort()).toEqual([damaged, whole].sort());
    expect(statSync(join(cacheDir, "committed"))).toMatchObject({ uid: 1234 });
    // Only root can remove root's files; they do not affect the next export.
    expect(readdirSync(cacheDir).sort()).toEqual(["committed", "committed-backup"]);
    expect(await run(user)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readCommitted(cacheDir)).toEqual(committed);
  },
);

test("a cache directory stays unchanged if the app image's registry fails at the end", async () => {
  const { scene, cacheDir, run } = await built();
  const before = expectCache(cacheDir, 2);
  scene.change("jdk");
  const denied = { status: 403, body: '{"errors":[{"code":"DENIED","message":"no"}]}' };
  asFake(scene.app).faults.add({ method: "PUT", target: /app\/manifests/, times: 99, action: { answer: denied } });
  expect(await run(["-parallel"])).toMatchObject({ exitCode: 62 });
  expect(expectCache(cacheDir, 2)).toEqual(before);
});

describe("a full disk", () => {
  test.for(MODES)("omits layers that do not fit; the app image is exported ($flags)", async ({ flags }, context) => {
    const disk = smallDisk("size=3m");
    if (disk === undefined) return context.skip(NO_SMALL_DISK);
    const { scene, cacheDir, run } = await sceneWithCache(disk, Scene.open);
    const exported = await run(flags);
    expect(exported.exitCode).toBe(0);
    expect(exported.stderr).toMatch(
      /^Warning: Failed to cache layer 'samples\/java:jdk': caching layer \(sha256:\w+\): open .*: no space left on device\n$/,
    );
    await verifyImage(scene.appImage);
    expectCache(cacheDir, 1);
  });

  test("keeps the old cache when there is no room for the metadata", async (context) => {
    const disk = smallDisk("size=9m");
    if (disk === undefined) return context.skip(NO_SMALL_DISK);
    const { scene, cacheDir, run } = await sceneWithCache(disk);
    expect(await run()).toMatchObject({ exitCode: 0, stderr: "" });
    await scene.analyze();
    const before = expectCache(cacheDir, 2);
    try {
      execFileSync("sh", ["-c", 'cat /dev/zero > "$0/filler"', disk], { stdio: "pipe" });
    } catch {
      // The disk is now full.
    }
    const exported = await run();
    expect(exported.exitCode).toBe(0);
    expect(exported.stderr).toMatch(
      /^Warning: Failed to export cache: setting cache metadata: .*no space left on device\nThe file system is full: free space .*\n$/,
    );
    expect(exported.events).toContainEqual(expect.objectContaining({ event: "cache-failed" }));
    rmSync(join(disk, "filler"));
    expect(expectCache(cacheDir, 2)).toEqual(before);
    expect(readFileSync(join(cacheDir, "committed", METADATA_FILE), "utf8")).toBe(before.metadata);
  });
});
