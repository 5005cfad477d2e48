import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { digestOf } from "../../../src/oci/digest.ts";
import { previousImageToml } from "../../support/build/analyzed.ts";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { NO_SMALL_DISK, smallDisk } from "../../support/files/small-disk.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { seededBytes } from "../../support/random.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

const SHA512 = `sha512:${"a".repeat(128)}`;

const isRoot = process.getuid?.() === 0;

/** Time limit of each case, generous for a busy machine. */
const SOON_MS = 30_000;

async function open(): Promise<{ readonly registry: FakeRegistry; readonly scene: Scene }> {
  const registry = await FakeRegistry.start();
  return { registry, scene: await Scene.open(registry) };
}

describe("documents of a build", () => {
  const toml = (layers: string, ...path: string[]) => join(layers, ...path);
  const cases: {
    readonly what: string;
    readonly path: (layersDir: string) => string;
    readonly content: string;
    readonly exitCode: number;
    readonly says: RegExp;
  }[] = [
    {
      what: "an analyzed.toml of 10 MB",
      path: (layers) => toml(layers, "analyzed.toml"),
      content: `x = "${"a".repeat(1e7)}"`,
      exitCode: 3,
      says: /read .*\/analyzed\.toml: it has 10000006 bytes/,
    },
    {
      what: "a group.toml of brackets",
      path: (layers) => toml(layers, "group.toml"),
      content: `group = ${"[".repeat(1e6)}`,
      exitCode: 1,
      says: /\/group\.toml: toml: line 1: .*nested/,
    },
    {
      what: "a metadata.toml of dotted keys",
      path: (layers) => toml(layers, "config", "metadata.toml"),
      content: `${"a.".repeat(50_000)}a = 1`,
      exitCode: 62,
      says: /\/metadata\.toml: toml: tables are nested more than 1000 levels deep/,
    },
    {
      what: "a layer with an endless number",
      path: (layers) => toml(layers, "samples_java", "jdk.toml"),
      content: `[types]\nlaunch = true\n[metadata]\nx = ${"9".repeat(100_000)}`,
      exitCode: 62,
      says: /jdk.*9{40}\.\.\. \(100000 digits\)/,
    },
  ];
  test.for(cases)("$what", async ({ path, content, exitCode, says }) => {
    const { registry, scene } = await open();
    writeFileSync(path(scene.output.layersDir), content);
    // With a run image in it, metadata.toml is read earlier and the command exits with another code.
    writeFileSync(join(scene.output.root, "run.toml"), "");
    const run = await scene.export();
    expect(run.exitCode).toBe(exitCode);
    expect(run.stderr.match(/^ERROR: /gm)).toHaveLength(1);
    expect(run.stderr).toMatch(says);
    expect(run.stderr.length).toBeLessThan(5000);
    expect(run.wallMs).toBeLessThan(SOON_MS);
    expect(registry.manifests.find("app", "latest")).toBeUndefined();
  });

  test("names of JavaScript's built-in properties are ordinary names in the label", async () => {
    const { scene } = await open();
    const content = "[types]\nlaunch = true\n[metadata.__proto__]\nconstructor = 'x'\n";
    writeFileSync(join(scene.output.layersDir, "samples_java", "jdk.toml"), content);
    expect(await scene.export()).toMatchObject({ exitCode: 0 });
    const { labels } = await verifyImage(scene.appImage);
    expect(labels["io.buildpacks.lifecycle.metadata"]).toContain('"data":{"__proto__":{"constructor":"x"}}');
  });
});

describe("a hostile manifest of the run image fails the export", () => {
  const layer = {
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    size: 1,
    digest: digestOf(Buffer.from("x")),
  };
  const config = {
    mediaType: "application/vnd.oci.image.config.v1+json",
    size: 2,
    digest: digestOf(Buffer.from("{}")),
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config,
    layers: [layer],
  };
  const cases: { readonly what: string; readonly body: string; readonly says: RegExp }[] = [
    { what: "9 MB", body: " ".repeat(9e6), says: /the response is longer than 8388608 bytes/ },
    { what: "brackets", body: "[".repeat(1e6), says: /invalid image manifest: not JSON/ },
    { what: "a list", body: "[]", says: /invalid image manifest/ },
    { what: "a negative size", body: JSON.stringify({ ...manifest, layers: [{ ...layer, size: -1 }] }), says: /size/ },
    {
      what: "a layer with a sha512 digest",
      body: JSON.stringify({ ...manifest, layers: [{ ...layer, digest: SHA512 }] }),
      says: /"127[^ ]*\/run@sha256:.*": invalid image manifest: unsupported hash: "sha512" at layers\[0\]\.digest\nUse an image/,
    },
    {
      what: "a config with a sha512 digest",
      body: JSON.stringify({ ...manifest, config: { ...config, digest: SHA512 } }),
      says: /"127[^ ]*\/run@sha256:.*": invalid image manifest: unsupported hash: "sha512" at config\.digest\nUse an image/,
    },
    {
      what: "a size that no number holds",
      body: JSON.stringify(manifest).replace('"size":1', '"size":1e400'),
      says: /size/,
    },
    {
      what: "a digest that is a path",
      body: JSON.stringify({ ...manifest, config: { ...config, digest: "sha256:../../../etc/passwd" } }),
      says: /found non-hex character in hash: \./,
    },
    {
      what: "10,000 layers that are not there",
      body: JSON.stringify({ ...manifest, layers: Array.from({ length: 10_000 }, () => layer) }),
      says: /config|layer|blob/i,
    },
  ];
  test.for(cases)("$what", async ({ body, says }) => {
    const { registry, scene } = await open();
    const reference = `${registry.host}/run@${digestOf(Buffer.from(body))}`;
    writeAnalyzed(scene.output, reference);
    const reply = { status: 200, headers: { "content-type": manifest.mediaType }, body: Buffer.from(body) };
    registry.faults.add({
      method: "GET",
      target: /\/run\/manifests\//,
      times: Number.POSITIVE_INFINITY,
      action: { answer: reply },
    });
    const run = await scene.export({ flags: ["-retry-budget", "1s"] });
    expect(run.exitCode).not.toBe(0);
    expect(run.stderr.match(/^ERROR: /gm)).toHaveLength(1);
    expect(run.stderr).toMatch(says);
    expect(run.stderr).toContain(registry.host);
    expect(run.stderr.length).toBeLessThan(20_000);
    expect(run.wallMs).toBeLessThan(SOON_MS);
    expect(registry.manifests.find("app", "latest")).toBeUndefined();
  });
});

/** A file system of a few MiB; undefined if this process may not mount one. */
describe.skipIf(!isRoot)("a disk that is full, or may not be written to", () => {
  test.for([{ flags: [] }, { flags: ["-parallel"] }])("for the spool ($flags)", async ({ flags }, context) => {
    const spool = smallDisk("size=1m");
    if (spool === undefined) return context.skip(NO_SMALL_DISK);
    const { registry, scene } = await open();
    const run = await scene.export({ flags: [...flags, "-spool-dir", spool] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr.match(/^ERROR: /gm)).toHaveLength(1);
    expect(run.stderr).toMatch(/failed to write compressed layer to .*: no space left.*\n.*-spool-dir/);
    for (const name of ["app", "cache"]) expect(registry.manifests.find(name, "latest")).toBeUndefined();
    expect(readdirSync(spool)).toEqual([]);
    expect(readdirSync(scene.output.layersDir)).not.toContain("report.toml");
  });

  test("for the spool, where nothing may be written", async (context) => {
    const spool = smallDisk("size=1m,ro");
    if (spool === undefined) return context.skip(NO_SMALL_DISK);
    const { registry, scene } = await open();
    const run = await scene.export({ flags: ["-spool-dir", spool] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(`failed to create a spool file in ${spool}`);
    expect(run.stderr).toMatch(/\n.*-spool-dir or TMPDIR/);
    expect(registry.manifests.find("app", "latest")).toBeUndefined();
  });

  test("for the cache: a warning, and both the app image and the old cache are whole", async (context) => {
    const disk = smallDisk("size=12m");
    if (disk === undefined) return context.skip(NO_SMALL_DISK);
    const { scene } = await open();
    const cacheDir = join(disk, "cache");
    mkdirSync(cacheDir);
    const request = { cache: "", flags: ["-cache-dir", cacheDir] };
    expect(await scene.export(request)).toMatchObject({ exitCode: 0, stderr: "" });
    const committed = readdirSync(join(cacheDir, "committed"));
    writeFileSync(scene.layerPath("jdk", "more"), seededBytes(5 << 20, 9));
    const run = await scene.export(request);
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toMatch(/^Warning: .*no space left on device/m);
    await verifyImage(scene.appImage);
    const left = readdirSync(join(cacheDir, "committed"));
    expect(left).toContain("io.buildpacks.lifecycle.cache.metadata");
    expect(left.every((name) => committed.includes(name))).toBe(true);
    expect(readdirSync(cacheDir)).toEqual(["committed"]);
  });

  test("for report.toml", async (context) => {
    const disk = smallDisk("size=1m,ro");
    if (disk === undefined) return context.skip(NO_SMALL_DISK);
    const { scene } = await open();
    const run = await scene.export({ flags: ["-report", join(disk, "report.toml")] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(/^ERROR: failed to write export report: .*report\.toml: read-only file system$/m);
  });
});

describe.skipIf(!isRoot)("a file of /proc in the build's output, which reports no bytes", () => {
  /** Mounts a file of the kernel there; false if this process may not. */
  function bind(path: string): boolean {
    writeFileSync(path, "");
    try {
      execFileSync("mount", ["--bind", "/proc/version", path], { stdio: "pipe" });
    } catch {
      return false;
    }
    onTestFinished(() => void execFileSync("umount", ["-l", path]));
    return true;
  }

  test.for(["layer", "app"] as const)("is not published empty (%s)", async (where, context) => {
    const { registry, scene } = await open();
    const path = where === "app" ? join(scene.output.appDir, "version") : scene.layerPath("jdk", "version");
    if (!bind(path)) return context.skip("this container may not mount a file");
    const run = await scene.export();
    expect(run.exitCode).toBe(62);
    const added = where === "app" ? `failed to add file ${path} to archive: ` : "";
    expect(run.stderr).toContain(`${added}read ${path}: archive/tar: write too long\n`);
    expect(run.stderr.match(/^ERROR: /gm)).toHaveLength(1);
    for (const name of ["app", "cache"]) expect(registry.manifests.find(name, "latest")).toBeUndefined();
  });
});

test("a previous image whose label names layers that it does not have", async () => {
  const { registry, scene } = await open();
  expect((await scene.export()).exitCode).toBe(0);
  const pushed = await verifyImage(scene.appImage);
  const tag = registry.manifests.find("app", "latest");
  const label = (pushed.labels["io.buildpacks.lifecycle.metadata"] ?? "").replace(
    /("jdk":\{"sha":")sha256:[0-9a-f]{64}/,
    "$1sha256:../../../../etc/passwd",
  );
  writeAnalyzed(
    scene.output,
    scene.runImage,
    previousImageToml(`${registry.host}/app`, {
      ...pushed,
      labels: { ...pushed.labels, "io.buildpacks.lifecycle.metadata": label },
    }),
  );
  // A layer that was not restored, to be reused from the previous image.
  rmSync(scene.layerPath("jdk"), { recursive: true });
  writeFileSync(`${scene.layerPath("jdk")}.toml`, "[types]\nlaunch = true\n");
  const run = await scene.export();
  expect(run.exitCode).toBe(62);
  expect(run.stderr.match(/^ERROR: /gm)).toHaveLength(1);
  expect(run.stderr).toMatch(/unknown diffID sha256:\.\.\/\.\.\/\.\.\/\.\.\/etc\/passwd/);
  expect(registry.manifests.find("app", "latest")).toBe(tag);
});
