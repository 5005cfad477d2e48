import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { NO_SMALL_DISK, smallDisk } from "../../support/files/small-disk.ts";
import { blobFile, verifyLayout, writeRunLayout } from "../../support/images/layout.ts";
import { emptyRunImage } from "../../support/images/run-image.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { seededBytes } from "../../support/random.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { GRACE_MS, WAIT } from "../../support/runner/time-limits.ts";
import { LayoutScene } from "../../support/scenes/layout-scene.ts";
import { layerWork } from "../../support/scenes/scene.ts";

const ONCE = { reads: 1, hashes: 1, compressions: 1, uploads: 1 };

function blobsOf(path: string): Set<string> {
  return new Set(readdirSync(join(path, "blobs", "sha256")).map((name) => `sha256:${name}`));
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

test("a first build writes a layout that holds only the image", async () => {
  const scene = await LayoutScene.open();
  const run = await scene.export("app");
  expect(run).toMatchObject({ exitCode: 0 });
  const path = scene.pathOf();
  const image = verifyLayout(path);
  // run image, jdk, libraries, SBOM, app, launcher, config, process-types
  expect(image.layers.map(({ isHere }) => isHere)).toEqual(Array(8).fill(true));
  expect(image.refName).toBe("latest");
  expect(image.annotations).toEqual({ "org.opencontainers.image.ref.name": "latest" });
  expect(blobsOf(path)).toEqual(image.blobs);
  expect(readdirSync(path).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  expect(layerWork(run.events)).toMatchObject({ jdk: ONCE, libraries: ONCE, launcher: ONCE });
  expect(JSON.parse(image.labels["io.buildpacks.lifecycle.metadata"] ?? "")).toMatchObject({
    runImage: { reference: scene.runImage },
  });
  expect(readFileSync(join(scene.output.layersDir, "report.toml"), "utf8")).toBe(
    `[image]\n  tags = ["${path}"]\n  manifest-size = ${image.manifestSize}\n`,
  );
  expect(run.stdout).toContain(`Using app image: ${path}\n`);
  expect(run.stdout).toContain(`*** Images (${path}@${image.digest}):\n      ${path}\n`);
  expect(run.events).toContainEqual(
    expect.objectContaining({ event: "app-image-ready", digest: image.digest, tags: [path] }),
  );
});

test("files have the reference's bytes and modes", async () => {
  const scene = await LayoutScene.open();
  expect(await scene.export("app")).toMatchObject({ exitCode: 0 });
  const path = scene.pathOf();
  const { digest, layers } = verifyLayout(path);
  expect(readFileSync(join(path, "oci-layout"), "utf8")).toBe('{\n    "imageLayoutVersion": "1.0.0"\n}');
  const umask = process.umask();
  for (const name of ["oci-layout", "index.json", "blobs/sha256"])
    expect(modeOf(join(path, name))).toBe((0o777 & ~umask).toString(8));
  expect(modeOf(blobFile(path, digest))).toBe((0o666 & ~umask).toString(8));
  for (const layer of layers) expect(modeOf(blobFile(path, layer.digest))).toBe("600");
});

test.skipIf(spawnSync("skopeo", ["--version"]).error !== undefined)("skopeo copies it", async () => {
  const scene = await LayoutScene.open();
  expect(await scene.export("app", "app:v2")).toMatchObject({ exitCode: 0 });
  for (const tag of ["latest", "v2"]) {
    const copy = join(scene.root, `copy-${tag}`);
    execFileSync("skopeo", ["copy", "--quiet", `oci:${scene.pathOf(tag)}:${tag}`, `dir:${copy}`]);
    expect(readdirSync(copy).length).toBeGreaterThan(9);
  }
});

test.for([
  { mode: "after it", flags: [] },
  { mode: "beside it", flags: ["-parallel"] },
])("a cache image goes to its registry $mode, from the same pass", async ({ flags }) => {
  const scene = await LayoutScene.open();
  await using registry = await FakeRegistry.start();
  const cache = `${registry.host}/cache:latest`;
  const run = await scene.export("-cache-image", cache, ...flags, "app");
  expect(run).toMatchObject({ exitCode: 0 });
  const [image, cached] = [verifyLayout(scene.pathOf()), await verifyImage(cache)];
  expect(cached.layers[0]?.digest).toBe(image.layers[1]?.digest);
  expect(layerWork(run.events)).toMatchObject({ jdk: { ...ONCE, uploads: 2 }, libraries: ONCE, maven: ONCE });
  expect(blobsOf(scene.pathOf())).toEqual(image.blobs);
});

test("a rebuild into the same layout compresses nothing and touches no blob", async () => {
  const scene = await LayoutScene.open();
  expect(await scene.export("app")).toMatchObject({ exitCode: 0 });
  const before = verifyLayout(scene.pathOf());
  const stamps = () => before.layers.map(({ digest }) => statSync(blobFile(scene.pathOf(), digest)).ctimeMs);
  const stampsBefore = stamps();
  scene.analyze();
  const run = await scene.export("app");
  expect(run).toMatchObject({ exitCode: 0 });
  expect(run.stdout).toContain(`Reusing layers from image '${scene.pathOf()}'\n`);
  expect(run.stdout).toContain("Reusing layer 'samples/java:jdk'\n");
  expect(Object.values(layerWork(run.events)).map(({ compressions }) => compressions)).toEqual(Array(7).fill(0));
  expect(verifyLayout(scene.pathOf())).toEqual(before);
  expect(stamps()).toEqual(stampsBefore);
});

describe("a layer of the previous image whose blob", () => {
  const damages = {
    "is absent": (blob: string) => rmSync(blob),
    "is empty": (blob: string) => truncateSync(blob),
    "is cut": (blob: string) => truncateSync(blob, 10),
    "has a directory in its place": (blob: string) => {
      rmSync(blob);
      mkdirSync(blob);
    },
  };
  const damaged = async (how: keyof typeof damages) => {
    const scene = await LayoutScene.open();
    expect(await scene.export("app")).toMatchObject({ exitCode: 0 });
    const before = verifyLayout(scene.pathOf());
    scene.analyze();
    damages[how](blobFile(scene.pathOf(), before.layers[2]?.digest ?? ""));
    return { scene, layers: before.layers };
  };
  const removeFiles = ({ output }: LayoutScene) =>
    rmSync(join(output.layersDir, "samples_java", "libraries"), { recursive: true });

  test.for([
    ["is absent", "latest"],
    ["is absent", "v2"],
    ["is empty", "latest"],
    ["is empty", "v2"],
    ["is cut", "latest"],
    ["is cut", "v2"],
    ["has a directory in its place", "v2"],
  ] as const)("%s is built again for the layout %s", async ([how, tag]) => {
    const { scene, layers } = await damaged(how);
    const run = await scene.export(`app:${tag}`);
    expect(run).toMatchObject({ exitCode: 0 });
    expect(verifyLayout(scene.pathOf(tag)).layers).toEqual(layers);
    expect(layerWork(run.events)).toMatchObject({ jdk: { compressions: 0 }, libraries: { compressions: 1 } });
  });

  test("is absent is listed if it has no files", async () => {
    const { scene, layers } = await damaged("is absent");
    removeFiles(scene);
    expect(await scene.export("app:v2")).toMatchObject({ exitCode: 0 });
    const after = verifyLayout(scene.pathOf("v2"));
    expect(after.layers).toEqual(layers.map((layer, i) => ({ ...layer, isHere: i !== 2 })));
  });

  test.for(["is empty", "is cut"] as const)("%s is an error if it has no files", async (how) => {
    const { scene } = await damaged(how);
    removeFiles(scene);
    const run = await scene.export("app:v2");
    expect(run).toMatchObject({ exitCode: 62 });
    expect(run.stderr).toContain("error writing layer: expected blob size ");
    expect(existsSync(join(scene.pathOf("v2"), "index.json"))).toBe(false);
  });
});

test("a layer of the run image whose blob is empty is listed, but not written", async () => {
  const scene = await LayoutScene.open();
  const [run = ""] = scene.runImage.split("@");
  expect(await scene.export("app")).toMatchObject({ exitCode: 0 });
  const { layers } = verifyLayout(scene.pathOf());
  truncateSync(blobFile(run, layers[0]?.digest ?? ""));
  expect(await scene.export("app:v2")).toMatchObject({ exitCode: 0 });
  expect(verifyLayout(scene.pathOf("v2")).layers).toEqual(layers.map((layer, i) => ({ ...layer, isHere: i !== 0 })));
});

test("an image whose run image has a layer of the wrong size is not published", async () => {
  const scene = await LayoutScene.open();
  const [run = ""] = scene.runImage.split("@");
  expect(await scene.export("app")).toMatchObject({ exitCode: 0 });
  const { layers } = verifyLayout(scene.pathOf());
  truncateSync(blobFile(run, layers[0]?.digest ?? ""), 1);
  const failed = await scene.export("app:v2");
  expect(failed).toMatchObject({ exitCode: 62, stderr: expect.stringContaining("but only wrote 1]") });
  expect(existsSync(join(scene.pathOf("v2"), "index.json"))).toBe(false);
});

test("layers that a sparse run image lacks are listed, but not written", async () => {
  const scene = await LayoutScene.open(true);
  expect(await scene.export("app")).toMatchObject({ exitCode: 0 });
  const { layers, blobs } = verifyLayout(scene.pathOf());
  expect(layers.map(({ isHere }) => isHere)).toEqual([false, ...Array(7).fill(true)]);
  expect(blobsOf(scene.pathOf())).toEqual(blobs);
});

test("a run image without layers ends the export with the lifecycle's exit code", async () => {
  const scene = await LayoutScene.open();
  const empty = await writeRunLayout(join(scene.root, "empty"), false, emptyRunImage());
  writeAnalyzed(scene.output, empty);
  const run = await scene.export("app");
  expect(run.exitCode).toBe(62);
  expect(run.stderr).toMatch(/^ERROR: failed to export: get run image top layer SHA: image has no layers$/m);
  expect(existsSync(scene.pathOf())).toBe(false);
});

test("each tag is a separate layout that shares the blobs", async () => {
  const scene = await LayoutScene.open();
  const run = await scene.export("app", "app:v2");
  expect(run).toMatchObject({ exitCode: 0 });
  const [first, second] = [scene.pathOf(), scene.pathOf("v2")];
  expect(verifyLayout(second)).toEqual({ ...verifyLayout(first), refName: "v2" });
  for (const { digest } of verifyLayout(first).layers)
    expect(statSync(blobFile(second, digest)).ino).toBe(statSync(blobFile(first, digest)).ino);
  expect(readFileSync(join(scene.output.layersDir, "report.toml"), "utf8")).toContain(
    `tags = ["${first}", "${second}"]`,
  );
});

test("a tag that cannot be saved does not affect the others", async () => {
  const scene = await LayoutScene.open();
  expect(await scene.export("app")).toMatchObject({ exitCode: 0 });
  writeFileSync(scene.pathOf("v2"), "in the way");
  const run = await scene.export("app", "app:v2", "app:v3");
  const cause = `mkdir ${scene.pathOf("v2")}: not a directory`;
  expect(run).toMatchObject({ exitCode: 62 });
  expect(run.stdout).toContain(`      ${scene.pathOf("v2")} - ${cause}\n      ${scene.pathOf("v3")}\n`);
  expect(run.stderr).toContain(
    `ERROR: failed to export: failed to write image to the following tags: [${scene.pathOf("v2")}: ${cause}]\n`,
  );
  verifyLayout(scene.pathOf("v3"));
});

test("nothing is saved when the layout cannot be created", async () => {
  const scene = await LayoutScene.open();
  writeFileSync(scene.layoutDir, "in the way");
  const run = await scene.export("app");
  expect(run).toMatchObject({ exitCode: 62 });
  expect(run.stderr).toContain(`ERROR: failed to export: saving image: mkdir ${scene.layoutDir}: not a directory\n`);
  expect(existsSync(join(scene.output.layersDir, "report.toml"))).toBe(false);
});

test("a full disk is an error that names the layout and its flag", async ({ skip }) => {
  const disk = smallDisk("size=1m") ?? skip(NO_SMALL_DISK);
  const scene = await LayoutScene.open();
  const run = await scene.export("-layout-dir", disk, "app");
  expect(run).toMatchObject({ exitCode: 62 });
  const path = join(disk, "index.docker.io", "library", "app", "latest");
  expect(run.stderr).toContain(`failed to write compressed layer to ${path}/.making-`);
  expect(run.stderr).toContain(
    ": no space left on device\nMake room in that directory, or give another one with -layout-dir.\n",
  );
});

test("a failed export keeps the previous image", async () => {
  const scene = await LayoutScene.open();
  expect(await scene.export("app")).toMatchObject({ exitCode: 0 });
  const before = verifyLayout(scene.pathOf());
  writeFileSync(join(scene.output.appDir, "new"), "new\n");
  expect(await scene.export("-process-type", "none", "app")).toMatchObject({ exitCode: 62 });
  expect(verifyLayout(scene.pathOf())).toEqual(before);
  expect(readdirSync(scene.pathOf()).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
});

test("a stopped export leaves neither an incomplete layer nor an image", async () => {
  const scene = await LayoutScene.open();
  writeFileSync(join(scene.output.layersDir, "samples_java", "jdk", "large"), seededBytes(100 << 20, 7));
  const running = scene.start("app");
  const making = () => {
    const name = existsSync(scene.pathOf()) && readdirSync(scene.pathOf()).find((entry) => /^\.making-/.test(entry));
    return name ? readdirSync(join(scene.pathOf(), name)).length : 0;
  };
  await expect.poll(making, { ...WAIT, interval: 2 }).toBeGreaterThan(0);
  const startMs = performance.now();
  running.process.kill("SIGTERM");
  expect((await running.ended).status).toBe(143);
  // If the grace period ends before the work directory is removed, the next export removes it.
  const isLate = performance.now() - startMs > GRACE_MS;
  const published = readdirSync(scene.pathOf()).filter((name) => !(isLate && name.startsWith(".making-")));
  expect(published).toEqual(["blobs"]);
});

describe("a run image that cannot be opened", () => {
  const single = (edit: Record<string, unknown>) => (index: string) => {
    const [manifest] = JSON.parse(index).manifests;
    return JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, ...edit }] });
  };
  test.for([
    ["is missing", undefined, "no OCI layout at {path}"],
    [
      "is one of several",
      (index: string) => {
        const { manifests } = JSON.parse(index);
        return JSON.stringify({ schemaVersion: 2, manifests: [...manifests, ...manifests] });
      },
      "failed to load image from index: failed to find manifest matching platform {amd64 linux  }",
    ],
    [
      "is none",
      () => '{"schemaVersion":2,"manifests":[]}',
      "failed to load image from index: failed to find manifest at index",
    ],
    [
      "is an index",
      single({ mediaType: "application/vnd.oci.image.index.v1+json" }),
      "failed to load image from index: unexpected media type for {digest}: application/vnd.oci.image.index.v1+json",
    ],
    [
      "has no manifest",
      single({ digest: `sha256:${"0".repeat(64)}` }),
      `failed to get config: lstat {path}/blobs/sha256/${"0".repeat(64)}: no such file or directory`,
    ],
  ] as const)("because it %s", async ([, edit, message]) => {
    const scene = await LayoutScene.open();
    const [run = "", digest = ""] = scene.runImage.split("@");
    const path = join(dirname(run), "other");
    if (edit !== undefined) {
      cpSync(run, path, { recursive: true });
      writeFileSync(join(path, "index.json"), edit(readFileSync(join(path, "index.json"), "utf8")));
    }
    writeAnalyzed(scene.output, `${path}@${digest}`);
    const result = await scene.export("app");
    expect(result).toMatchObject({ exitCode: 1 });
    const expected = message.replace("{path}", path).replace("{digest}", digest);
    expect(result.stderr).toContain(`ERROR: failed to create new app image: ${expected}\n`);
    // Not every message names the layout.
    expect(result.stderr.split(expected).pop()).toContain(path);
  });

  test("because its reference is not a path with a digest", async () => {
    const scene = await LayoutScene.open();
    writeAnalyzed(scene.output, "run/image:latest");
    const result = await scene.export("app");
    expect(result).toMatchObject({ exitCode: 1 });
    expect(result.stderr).toContain(
      "ERROR: failed to parsing run image reference: identifier run/image:latest does not have the format '[path]@[digest]'\n",
    );
  });

  test("because it is in a registry", async () => {
    const scene = await LayoutScene.open();
    writeAnalyzed(scene.output, `reg.example/run@sha256:${"0".repeat(64)}`);
    const result = await scene.export("app");
    expect(result).toMatchObject({ exitCode: 1 });
    expect(result.stderr).toMatch(/there is no reg\.example\/run\/index\.json\. .* run the analyzer with -layout, or/);
  });
});
