import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { digestOf } from "../../../src/oci/digest.ts";
import { ownPlatform } from "../../../src/oci/manifest.ts";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { smallRunImage } from "../../support/images/run-image.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { type Exchange, type Reply, refusal } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { WAIT } from "../../support/runner/time-limits.ts";
import { layerWork, Scene } from "../../support/scenes/scene.ts";

const ALWAYS = Number.POSITIVE_INFINITY;
const denied = refusal(403, "DENIED", "requested access to the resource is denied");
const MODES = [{ flags: [] }, { flags: ["-parallel"] }] as const;

async function scenes() {
  const [app, cache] = [await FakeRegistry.start(), await FakeRegistry.start()];
  return { app, cache, scene: await Scene.open(app, cache) };
}

describe("the export of the app image fails", () => {
  test.for(MODES)("after six tries when the run image is missing ($flags)", async ({ flags }) => {
    const { app, cache, scene } = await scenes();
    const missing = `${app.host}/run@sha256:${"0".repeat(64)}`;
    writeAnalyzed(scene.output, missing);
    app.requests.length = 0;
    const run = await scene.export({ flags });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toMatch(
      `ERROR: failed to create new app image: connect to repo store "${missing}": GET http://${app.host}/v2/run/manifests/sha256:`,
    );
    expect(run.stderr).toMatch("MANIFEST_UNKNOWN");
    expect(run.stderr).toContain(
      `Check the name, and that the image has an entry for linux/${ownPlatform().architecture}: there is no image "${missing}"`,
    );
    expect(run.stderr).toMatch("Failed to open remote image (attempt 5/6)");
    expect(app.count("GET", /run\/manifests/)).toBe(6);
    expect(app.manifests.find("app", "latest")).toBeUndefined();
    expect(cache.manifests.find("cache", "latest")).toBeUndefined();
  });

  test("when the run image cannot be read, and leaves no SBOMs that were copied meanwhile", async () => {
    const { app, scene } = await scenes();
    const copied = join(scene.output.layersDir, "sbom");
    const refuse = async () => {
      await vi.waitUntil(() => existsSync(copied), WAIT);
      return denied;
    };
    app.faults.add({ method: "GET", target: /run\/manifests/, times: ALWAYS, action: { around: refuse } });
    expect((await scene.export()).exitCode).toBe(1);
    expect(existsSync(copied)).toBe(false);
  });

  test("when the cache directory is missing, and leaves no copied SBOMs", async () => {
    const { scene } = await scenes();
    const run = await scene.export({ cache: "", flags: ["-cache-dir", join(scene.output.root, "missing")] });
    expect(run.exitCode).toBe(1);
    expect(existsSync(join(scene.output.layersDir, "sbom"))).toBe(false);
  });

  test("when its registry is down", async () => {
    const { scene } = await scenes();
    const gone = "127.0.0.1:9";
    writeAnalyzed(scene.output, `${gone}/run@sha256:${"0".repeat(64)}`);
    const run = await scene.export({ images: [`${gone}/app`], flags: ["-retry-budget", "400ms"] });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain("Warning: Failed to open remote image (attempt 1/6): connect to repo store");
    expect(run.stderr).toMatch(
      /ERROR: failed to create new app image: .*dial tcp 127\.0\.0\.1:9: connect: connection refused\n/,
    );
  });

  test.each(["layer", "layer of the run image"])(
    "when one %s is refused, without waiting for the others' uploads",
    async (refused) => {
      const { app, scene } = await scenes();
      const commit = { method: "PUT", target: /app\/blobs\/uploads/ };
      const digest = digestOf((await smallRunImage()).layer);
      const when = ({ url }: Exchange) => (url.searchParams.get("digest") === digest) === (refused !== "layer");
      app.faults.add({ method: "POST", target: /mount=/, times: ALWAYS, action: { answer: denied } });
      app.faults.add({ ...commit, when, action: { answer: refusal(413, "SIZE_INVALID", "too large") } });
      void app.faults.hold({ ...commit, times: ALWAYS });
      const run = await scene.export();
      expect(run.exitCode).toBe(62);
      expect(run.stderr).toMatch(
        /failed to write image to the following tags: \[\S+: PUT \S+: SIZE_INVALID: too large\]\n/,
      );
      expect(run.stdout).toMatch(/^\*\*\* Images \(sha256:[0-9a-f]{64}\):$/m);
    },
  );

  test("without credentials", async () => {
    const { scene } = await scenes();
    const auth = { kind: "basic", username: "user", password: "secret" } as const;
    await using closed = await FakeRegistry.start({ auth });
    const run = await scene.export({ images: [`${closed.host}/app:latest`] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(`failed to write image to the following tags: [${closed.host}/app:latest: `);
    // A HEAD or a POST, whichever gets the first response.
    expect(run.stderr).toMatch(/unexpected status code 401 Unauthorized|UNAUTHORIZED: authentication required/);
  });

  test.for(MODES)("when pushes are denied, and the cache is not committed ($flags)", async ({ flags }) => {
    const { app, cache, scene } = await scenes();
    app.faults.add({ method: "POST", target: /blobs\/uploads/, times: ALWAYS, action: { answer: denied } });
    const run = await scene.export({ flags });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(/ERROR: failed to export: failed to write image to the following tags: \[.*DENIED/);
    expect(cache.manifests.find("cache", "latest")).toBeUndefined();
    expect(cache.count("PUT", /manifests/)).toBe(0);
  });

  test("at its last request, after all of the cache's blobs were pushed", async () => {
    const { app, cache, scene } = await scenes();
    const isSent = Promise.withResolvers<void>();
    cache.faults.add({
      method: "PUT",
      target: /cache\/blobs/,
      times: ALWAYS,
      action: {
        around: async (proceed) => {
          const reply = await proceed();
          // Two layers and the config.
          if (cache.count("PUT", /cache\/blobs/) === 3) isSent.resolve();
          return reply;
        },
      },
    });
    const refuse = async () => {
      await isSent.promise;
      // Many times as long as a cache that does not wait would need: inactivity cannot be awaited otherwise.
      await setTimeout(250);
      return denied;
    };
    app.faults.add({ method: "PUT", target: /app\/manifests/, action: { around: refuse } });
    const run = await scene.export({ flags: ["-parallel"] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toContain("Warning: Failed to export cache: the export of the app image failed\n");
    expect(cache.count("PUT", /manifests/)).toBe(0);
    expect(run.events).toContainEqual(expect.objectContaining({ event: "cache-failed" }));
  });

  test("when report.toml cannot be written, although the image was pushed", async () => {
    const { app, cache, scene } = await scenes();
    const run = await scene.export({ flags: ["-parallel", "-report", scene.output.layersDir] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toContain("Warning: Failed to export cache: the export of the app image failed\n");
    expect(run.stderr).toContain(`open ${scene.output.layersDir}: is a directory\n`);
    expect(app.manifests.find("app", "latest")).toBeDefined();
    expect(cache.manifests.find("cache", "latest")).toBeUndefined();
  });

  test.for(MODES)("when a file changes during the export, and names it ($flags)", async ({ flags }) => {
    const { app, cache, scene } = await scenes();
    expect((await scene.export()).exitCode).toBe(0);
    const { layers } = await scene.analyze();
    const [tag, cacheTag] = [app.manifests.find("app", "latest"), cache.manifests.find("cache", "latest")];
    const path = scene.layerPath("libraries", "libraries", "a.js");
    // The layer is hashed and planned for reuse, but must be built because its blob is gone.
    const change = async (): Promise<Reply> => {
      writeFileSync(path, "something else\n");
      return { status: 404 };
    };
    const target = new RegExp(`/app/blobs/${layers[2]?.digest}`);
    app.faults.add({ method: "HEAD", target, action: { around: change } });
    const run = await scene.export({ flags });
    expect(app.faults.unused).toBe(0);
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toContain(`file changed while it was exported: ${path} `);
    expect(run.stderr).toContain("\nMake sure that nothing writes to the layers and app directories");
    expect(app.manifests.find("app", "latest")).toBe(tag);
    expect(cache.manifests.find("cache", "latest")).toBe(cacheTag);
  });

  test("before any layer, when the build's metadata is unreadable", async () => {
    const { scene } = await scenes();
    writeFileSync(`${scene.output.layersDir}/config/metadata.toml`, "= nonsense");
    // With a run image in it, the metadata is read earlier and the command exits with another code.
    writeFileSync(`${scene.output.root}/run.toml`, "");
    const run = await scene.export({ flags: ["-parallel"] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch("ERROR: failed to export: read build metadata: ");
  });
});

describe("an upload breaks", () => {
  test("and resumes where it stopped", async () => {
    const { app, scene } = await scenes();
    // The large layer's request: chunked, or with a length.
    const when = ({ headers }: Exchange) => !(Number(headers["content-length"]) < 2 << 20);
    app.faults.add({ method: "PATCH", target: /app\/blobs/, when, action: { dropAfterBytes: 2 << 20 } });
    const run = await scene.export({ flags: ["-parallel"] });
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toMatch(/^Warning: .*retrying in/);
    expect(app.faults.unused).toBe(0);
    await verifyImage(scene.appImage);
    await verifyImage(scene.cacheImage);
    const resumed = app.requests.filter(({ method, headers }) => method === "PATCH" && headers["content-range"]);
    expect(resumed[0]?.headers["content-range"]).toMatch(/^[1-9]/);
    for (const work of Object.values(layerWork(run.events))) expect(work.compressions).toBe(1);
  });

  test("repeatedly and is retried without compressing again", async () => {
    const { app, cache, scene } = await scenes();
    for (const registry of [app, cache]) {
      registry.faults.add({ method: "PATCH", target: /blobs/, times: 3, action: { dropAfterBytes: 1000 } });
      registry.faults.add({ method: "PUT", target: /blobs/, times: 2, action: { answer: { status: 502 } } });
      // A broken upload restarts.
      registry.faults.add({ method: "GET", target: /uploads/, times: ALWAYS, action: { answer: { status: 404 } } });
    }
    const run = await scene.export({ flags: ["-parallel"] });
    expect(run.exitCode).toBe(0);
    const work = layerWork(run.events);
    expect(Object.keys(work).length).toBeGreaterThan(3);
    for (const [layer, { compressions }] of Object.entries(work))
      expect({ layer, compressions }).toEqual({ layer, compressions: 1 });
    await verifyImage(scene.appImage);
    await verifyImage(scene.cacheImage);
  });
});

describe("the export of the cache fails", () => {
  test.for(MODES)("with one warning, and the app image is complete ($flags)", async ({ flags }) => {
    const { cache, scene } = await scenes();
    cache.faults.add({ method: "POST", target: /blobs\/uploads/, times: ALWAYS, action: { answer: denied } });
    const run = await scene.export({ flags });
    expect(run.exitCode).toBe(0);
    const saving = `committing cache: saving image '${scene.cacheImage}'`;
    const [warning, hint, ...others] = run.stderr.split("\n");
    expect(warning).toBe(
      `Warning: Failed to export cache: ${saving}: POST http://${cache.host}/v2/cache/blobs/uploads/: DENIED: requested access to the resource is denied`,
    );
    expect(hint).toMatch(
      /^Give credentials that may push to .*\/cache, in CNB_REGISTRY_AUTH .* \(HTTP 403 for an upload of /,
    );
    expect(others).toEqual([""]);
    await verifyImage(scene.appImage);
    expect(run.events).toContainEqual(expect.objectContaining({ event: "cache-failed" }));
    expect(run.events).toContainEqual(expect.objectContaining({ event: "layer", id: "samples/java:jdk", uploads: 1 }));
    expect(cache.count("PUT", /manifests/)).toBe(0);
  });

  test("when its manifest is refused", async () => {
    const cache = await FakeRegistry.start();
    const scene = await Scene.openSmall(await FakeRegistry.start(), cache);
    cache.faults.add({ method: "PUT", target: /manifests/, times: ALWAYS, action: { answer: denied } });
    const run = await scene.export();
    expect(run.exitCode).toBe(0);
    const saving = `committing cache: saving image '${scene.cacheImage}'`;
    expect(run.stderr).toContain(`Warning: Failed to export cache: ${saving}: PUT http://${cache.host}/v2/cache/`);
    expect(run.events).toContainEqual(expect.objectContaining({ event: "cache-failed" }));
    expect(run.events).not.toContainEqual(expect.objectContaining({ event: "cache-ready" }));
  });

  test("for one unreadable layer, which is left out", async () => {
    const { app, scene } = await scenes();
    const path = scene.layerPath("maven");
    // In series, the cache's own layers are read after the app image is tagged.
    const remove = async (proceed: () => Promise<Reply>) => {
      rmSync(path, { recursive: true });
      return proceed();
    };
    app.faults.add({ method: "PUT", target: /app\/manifests/, action: { around: remove } });
    const run = await scene.export();
    expect(run.exitCode).toBe(0);
    const making = "Failed to cache layer 'samples/java:maven': creating layer 'samples/java:maven'";
    expect(run.stderr).toMatch(new RegExp(`^Warning: ${making}: .*${path}: no such file or directory\n$`));
    expect((await verifyImage(scene.appImage)).layers).toHaveLength(8);
    expect((await verifyImage(scene.cacheImage)).layers).toHaveLength(1);
  });
});
