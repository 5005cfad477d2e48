import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { previousImageToml } from "../../support/build/analyzed.ts";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { OPEN_ACCESS } from "../../support/images/registry-access.ts";
import { DOCKER_TYPES, pushRunImage, smallRunImage } from "../../support/images/run-image.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { type AnyRegistry, REGISTRY_KINDS } from "../../support/registry/registry-kinds.ts";
import { LayoutScene } from "../../support/scenes/layout-scene.ts";
import { asFake, layerWork, pushRequests, Scene, uploadRequests } from "../../support/scenes/scene.ts";

const HASHED = { reads: 1, hashes: 1, compressions: 0, uploads: 0 };

/** Drops the recorded requests. */
function forget(registry: AnyRegistry): void {
  if (registry instanceof FakeRegistry) registry.requests.length = 0;
}

function uploadsTo(registry: AnyRegistry): string[] | "unknown" {
  return registry instanceof FakeRegistry ? uploadRequests(registry) : "unknown";
}

/** A scene whose images are pushed, with analyzed.toml for the next build. */
async function built(registry: AnyRegistry) {
  const scene = await Scene.openSmall(registry);
  expect(await scene.export()).toMatchObject({ exitCode: 0, stderr: "" });
  const app = await scene.analyze();
  const cache = await verifyImage(scene.cacheImage);
  forget(registry);
  return { scene, app, cache };
}

/** Adds a label that makes the config 9 MB long: it has six bytes for each `<`. */
function addLongLabel(layersDir: string): void {
  const label = `[[labels]]\nkey = "long"\nvalue = "${"<".repeat(1_500_000)}"\n`;
  appendFileSync(join(layersDir, "config", "metadata.toml"), label);
}

async function openRegistry() {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  return { scene, build: () => scene.export() };
}

async function openLayout() {
  const scene = await LayoutScene.open();
  return { scene, build: () => scene.export("app") };
}

test.for([
  { from: "a registry", open: openRegistry },
  { from: "a layout", open: openLayout },
])("reuses layers of an image with a config of 9 MB from $from", async ({ open }) => {
  const { scene, build } = await open();
  addLongLabel(scene.output.layersDir);
  expect(await build()).toMatchObject({ exitCode: 0 });
  await scene.analyze();
  const { exitCode, stdout } = await build();
  expect(exitCode).toBe(0);
  expect(stdout).toContain("Reusing layer 'samples/java:jdk'");
});

describe.for(REGISTRY_KINDS)("a rebuild against $name", ({ start, isMissing }) => {
  const again = test.skipIf(isMissing);

  again.for([{ flags: [] }, { flags: ["-parallel"] }])("of the same sends nothing ($flags)", async ({ flags }) => {
    const { scene, app, cache } = await built(await start());
    const run = await scene.export({ flags });
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    const requests = scene.app instanceof FakeRegistry ? pushRequests(scene.app).map(({ method }) => method) : [];
    expect(new Set(requests)).toEqual(scene.app instanceof FakeRegistry ? new Set(["GET", "HEAD"]) : new Set());
    expect(await verifyImage(scene.appImage)).toEqual(app);
    expect(await verifyImage(scene.cacheImage)).toEqual(cache);
    const work = layerWork(run.events);
    expect(Object.keys(work)).toContain("jdk");
    for (const counts of Object.values(work)) expect(counts).toEqual(HASHED);
    expect(run.stdout).toContain("Reusing layer 'samples/java:jdk'");
    expect(run.stdout).toContain("Reusing cache layer 'samples/java:maven'");
  });

  again("with one other layer compresses and sends that one", async () => {
    const { scene, app } = await built(await start());
    scene.change("libraries");
    const run = await scene.export();
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    const { libraries, ...others } = layerWork(run.events);
    // Read twice: once to see that it changed, once to compress it.
    expect(libraries).toEqual({ reads: 2, hashes: 1, compressions: 1, uploads: 1 });
    for (const [name, counts] of Object.entries(others)) expect({ name, ...counts }).toEqual({ name, ...HASHED });
    const now = await verifyImage(scene.appImage);
    const changed = now.layers.filter((layer, i) => layer.digest !== app.layers[i]?.digest);
    expect(changed).toHaveLength(1);
    // The layer and the config.
    const opened = uploadsTo(scene.app);
    if (opened !== "unknown") expect(opened.filter((line) => /^POST \/v2\/app\//.test(line))).toHaveLength(2);
  });

  again("takes a launch layer without contents from the previous image", async () => {
    const { scene, app } = await built(await start());
    rmSync(scene.layerPath("libraries"), { recursive: true });
    const run = await scene.export();
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect((await verifyImage(scene.appImage)).digest).toBe(app.digest);
    expect(layerWork(run.events)).not.toHaveProperty("libraries");
    expect(uploadsTo(scene.app)).toEqual(scene.app instanceof FakeRegistry ? [] : "unknown");
  });

  again.for([
    { compression: "gzip", compressions: 0 },
    { compression: "zstd", compressions: 1 },
  ])(
    "upon a Docker image after an OCI image with $compression lists Docker's layer types only",
    async ({ compression, compressions }) => {
      const registry = await start();
      const scene = await Scene.openSmall(registry);
      expect(await scene.export({ flags: ["-compression", compression] })).toMatchObject({ exitCode: 0, stderr: "" });
      const previous = previousImageToml(`${registry.host}/app`, await verifyImage(scene.appImage));
      const image = smallRunImage(undefined, DOCKER_TYPES);
      const runImage = await pushRunImage(`${registry.host}/run`, OPEN_ACCESS, image, DOCKER_TYPES.manifest);
      writeAnalyzed(scene.output, runImage, previous);
      const run = await scene.export();
      expect(run).toMatchObject({ exitCode: 0, stderr: "" });
      const { layers } = await verifyImage(scene.appImage);
      expect(new Set(layers.map(({ mediaType }) => mediaType))).toEqual(new Set([DOCKER_TYPES.layer]));
      expect(layerWork(run.events).libraries).toMatchObject({ compressions });
    },
  );

  again("lists a reused cache layer once, beside a changed one", async () => {
    const { scene, cache } = await built(await start());
    scene.change("maven");
    const run = await scene.export();
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    const now = await verifyImage(scene.cacheImage);
    expect(now.layers).toHaveLength(2);
    expect(now.layers[0]).toEqual(cache.layers[0]);
    expect(now.layers[1]).not.toEqual(cache.layers[1]);
    expect(layerWork(run.events)).toMatchObject({ jdk: HASHED, maven: { compressions: 1, uploads: 1 } });
  });
});

describe("a rebuild with a first cache", () => {
  test.for([{ flags: [] }, { flags: ["-parallel"] }])(
    "mounts what the app image reused ($flags)",
    async ({ flags }) => {
      const registry = await FakeRegistry.start();
      const scene = await Scene.openSmall(registry);
      expect((await scene.export({ cache: "" })).exitCode).toBe(0);
      await scene.analyze();
      const run = await scene.export({ flags });
      expect(run).toMatchObject({ exitCode: 0, stderr: "" });
      await verifyImage(scene.cacheImage);
      expect(layerWork(run.events)).toMatchObject({ jdk: HASHED, maven: { reads: 1, compressions: 1, uploads: 1 } });
      expect(registry.count("POST", /cache\/blobs\/uploads\/\?mount=.*&from=app$/)).toBe(1);
    },
  );

  test.for([{ flags: [] }, { flags: ["-parallel"] }])(
    "in another registry makes it once ($flags)",
    async ({ flags }) => {
      const scene = await Scene.openSmall(await FakeRegistry.start(), await FakeRegistry.start());
      expect((await scene.export({ cache: "" })).exitCode).toBe(0);
      const app = await scene.analyze();
      const run = await scene.export({ flags });
      expect(run).toMatchObject({ exitCode: 0, stderr: "" });
      expect((await verifyImage(scene.cacheImage)).layers[0]).toEqual(app.layers[1]);
      expect(layerWork(run.events)).toMatchObject({ jdk: { reads: 2, hashes: 1, compressions: 1, uploads: 1 } });
      expect((await verifyImage(scene.appImage)).digest).toBe(app.digest);
    },
  );
});

test("a first app image beside an existing cache neither reuses its layers nor changes it", async () => {
  const { scene, app, cache } = await built(await FakeRegistry.start());
  writeAnalyzed(scene.output, scene.runImage);
  const images = [`${scene.app.host}/new:latest`];
  const run = await scene.export({ images, flags: ["-parallel"] });
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  expect((await verifyImage(`${scene.app.host}/new:latest`)).digest).toBe(app.digest);
  expect(await verifyImage(scene.cacheImage)).toEqual(cache);
  expect(layerWork(run.events)).toMatchObject({ jdk: { compressions: 1, uploads: 1 }, maven: HASHED });
});

describe("a rebuild after the registry lost blobs", () => {
  async function without(repository: "app" | "cache", layer: number) {
    const registry = await FakeRegistry.start();
    const { scene, app, cache } = await built(registry);
    const digest = (repository === "app" ? app : cache).layers[layer]?.digest ?? "";
    registry.blobs.unlink(repository, digest);
    return { registry, scene, app, cache, digest };
  }

  test("rebuilds the whole cache if one of its blobs is gone", async () => {
    const { scene, cache } = await without("cache", 1);
    const run = await scene.export();
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(run.stdout).toContain(`Ignoring cache image "${scene.cacheImage}" because it was corrupt`);
    expect(run.stdout).not.toContain("Reusing cache layer");
    expect(await verifyImage(scene.cacheImage)).toEqual(cache);
    expect(layerWork(run.events)).toMatchObject({ maven: { compressions: 1, uploads: 1 }, jdk: HASHED });
  });

  test("rebuilds the whole cache if its config does not match its manifest", async () => {
    const registry = await FakeRegistry.start();
    const { scene, cache } = await built(registry);
    const manifest = JSON.parse(registry.manifests.find("cache", "latest")?.toString() ?? "");
    manifest.config.size += 1;
    const headers = { "content-type": manifest.mediaType };
    const url = `http://${registry.host}/v2/cache/manifests/latest`;
    expect((await fetch(url, { method: "PUT", body: JSON.stringify(manifest), headers })).status).toBe(201);
    const run = await scene.export();
    expect(run.exitCode).toBe(0);
    // A proxy may have sent it.
    expect(run.stderr).toMatch(
      /^(?:Warning: Failed to open remote image \(attempt \d\/6\): .*, expected 817 bytes, .*\n){5}$/,
    );
    expect(run.stdout).toContain(`Ignoring cache image "${scene.cacheImage}" because it was corrupt`);
    expect(await verifyImage(scene.cacheImage)).toEqual(cache);
  });

  test("rebuilds a layer of the app image from its contents", async () => {
    const { scene, app } = await without("app", 2);
    const run = await scene.export({ cache: "" });
    expect(run.exitCode).toBe(0);
    expect(await verifyImage(scene.appImage)).toEqual(app);
    expect(layerWork(run.events)).toMatchObject({ libraries: { compressions: 1, uploads: 1 }, jdk: HASHED });
  });

  test("names the missing layer if there are no contents to rebuild it from", async () => {
    const { registry, scene, digest } = await without("app", 2);
    rmSync(scene.layerPath("libraries"), { recursive: true });
    const run = await scene.export();
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toBe(
      `ERROR: failed to export: saving image: layer 'samples/java:libraries': blob ${digest} is gone from ${registry.host}/app, although an image there still references it\n` +
        "Restore the blob, or build again without the previous image to rebuild the layer.\n",
    );
    expect(uploadsTo(registry)).toEqual([]);
    expect(asFake(registry).count("PUT", /manifests/)).toBe(0);
  });
});
