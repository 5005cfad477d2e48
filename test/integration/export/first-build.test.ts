import { describe, expect, test, vi } from "vitest";
import { verifyImage } from "../../support/images/verify-image.ts";
import type { Reply } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { REGISTRY_KINDS } from "../../support/registry/registry-kinds.ts";
import { WAIT } from "../../support/runner/time-limits.ts";
import { asFake, layerWork, Scene } from "../../support/scenes/scene.ts";

const ONCE = { reads: 1, hashes: 1, compressions: 1, uploads: 1 };

const MODES = [
  { mode: "series", flags: [] },
  { mode: "parallel", flags: ["-parallel"] },
] as const;

describe.for(REGISTRY_KINDS)("a first build against $name", ({ start, isMissing }) => {
  test.skipIf(isMissing).for(MODES)("to two registries in $mode: shared work is done once", async ({ flags }) => {
    const scene = await Scene.open(await start(), await start());
    const run = await scene.export({ flags, byCommand: true });
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    const [app, cache] = [await verifyImage(scene.appImage), await verifyImage(scene.cacheImage)];
    // run image, jdk, libraries, SBOM, app, launcher, config, process-types
    expect(app.layers).toHaveLength(8);
    expect(cache.layers).toHaveLength(2);
    expect(cache.layers[0]).toEqual(app.layers[1]);
    expect(layerWork(run.events)).toMatchObject({
      jdk: { ...ONCE, uploads: 2 },
      libraries: ONCE,
      maven: ONCE,
      launcher: ONCE,
    });
    expect(run.events).toContainEqual(
      expect.objectContaining({ event: "app-image-ready", digest: app.digest, tags: [scene.appImage] }),
    );
    expect(run.events).toContainEqual(
      expect.objectContaining({ event: "cache-ready", digest: cache.digest, reference: scene.cacheImage }),
    );
  });

  test.skipIf(isMissing).for(MODES)("to one registry in $mode: the cache mounts what it shares", async ({ flags }) => {
    const registry = await start();
    const scene = await Scene.open(registry);
    const run = await scene.export({ flags });
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    const [app, cache] = [await verifyImage(scene.appImage), await verifyImage(scene.cacheImage)];
    expect(cache.layers[0]).toEqual(app.layers[1]);
    expect(layerWork(run.events)).toMatchObject({ jdk: ONCE, maven: ONCE });
    if (!(registry instanceof FakeRegistry)) return;
    const jdk = encodeURIComponent(app.layers[1]?.digest ?? "");
    expect(asFake(registry).count("POST", new RegExp(`/v2/cache/blobs/uploads/\\?mount=${jdk}&from=app`))).toBe(1);
    // The run image's layer is mounted into the app's repository, never downloaded.
    const base = app.layers[0]?.digest ?? "";
    expect(asFake(registry).count("POST", new RegExp(`mount=${encodeURIComponent(base)}&from=run`))).toBe(1);
    const body = await registry.requests.filter(({ method, target }) => method === "GET" && target.endsWith(base));
    // One GET comes from the verification.
    expect(body).toHaveLength(1);
  });
});

test.for(MODES)("in $mode the manifest alone waits for the last layer", async ({ flags }) => {
  const registries = [await FakeRegistry.start(), await FakeRegistry.start()] as const;
  const scene = await Scene.open(...registries);
  // Layers and the config.
  const blobsOf = { app: 7 + 1, cache: 2 + 1 };
  for (const [i, registry] of registries.entries()) {
    const repository = i === 0 ? "app" : "cache";
    const uploads = new RegExp(`${repository}/blobs/uploads`);
    const early = () =>
      registry.count("PUT", uploads) === blobsOf[repository] && registry.count("HEAD", /manifests\/latest/) === 1;
    const hold = async (proceed: () => Promise<Reply>): Promise<Reply> => {
      await vi.waitUntil(early, { ...WAIT, interval: 1 });
      return await proceed();
    };
    registry.faults.add({ method: "PUT", target: uploads, action: { around: hold } });
  }
  expect(await scene.export({ flags })).toMatchObject({ exitCode: 0, stderr: "" });
  for (const registry of registries) expect(registry.faults.unused).toBe(0);
});

test("the images are the same whatever the workers, order and time", async () => {
  const registries = [await FakeRegistry.start(), await FakeRegistry.start()] as const;
  const scene = await Scene.open(...registries);
  const made = new Set<string>();
  const add = (app: string, cache: string) => {
    const manifests = [app, cache].map((name, i) => registries[i]?.manifests.find(name, "latest"));
    made.add(manifests.join("\n"));
  };
  for (const workers of ["1", "2", "5"])
    for (const { flags, mode } of MODES) {
      const name = `${mode}-${workers}`;
      const images = [`${scene.app.host}/${name}:latest`];
      const cache = `${scene.cache.host}/${name}:latest`;
      const run = await scene.export({ images, cache, flags: [...flags, "-workers", workers] });
      expect(run).toMatchObject({ exitCode: 0, stderr: "" });
      add(name, name);
    }
  const again = await scene.export();
  expect(again.exitCode).toBe(0);
  add("app", "cache");
  expect([...made]).toHaveLength(1);
  // Registries take no blob under another's digest, so that equal manifests are equal images.
  await verifyImage(scene.appImage);
  await verifyImage(scene.cacheImage);
});

test("a cache image without layers is complete, and a rebuild accepts it", async () => {
  const layers = { libraries: { from: ["libraries"], launch: true, cache: false } };
  const scene = await Scene.open(await FakeRegistry.start(), undefined, layers);
  expect(await scene.export()).toMatchObject({ exitCode: 0, stderr: "" });
  const cache = await verifyImage(scene.cacheImage);
  expect(cache.layers).toHaveLength(1);
  const rebuild = await scene.export();
  expect(rebuild).toMatchObject({ exitCode: 0, stderr: "" });
  expect(rebuild.stdout).not.toContain("corrupt");
});
