import { writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type Exchange, type Reply, refusal } from "../../fakes/registry/exchange.ts";
import { FakeRegistry } from "../../fakes/registry/registry.ts";
import { writeAnalyzed } from "../../support/build-output.ts";
import { verifyImage } from "../../support/verify-image.ts";
import { noise, Scene } from "./scene.ts";

const ALWAYS = Number.POSITIVE_INFINITY;
const denied = refusal(403, "DENIED", "requested access to the resource is denied");
const MODES = [{ flags: [] }, { flags: ["-parallel"] }] as const;

async function scenes() {
  const [app, cache] = [await FakeRegistry.start(), await FakeRegistry.start()];
  return { app, cache, scene: await Scene.open(app, cache) };
}

describe("the app image fails", () => {
  test.for(MODES)("at once when the run image is missing ($flags)", async ({ flags }) => {
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
    expect(run.stderr).toMatch("Is ");
    expect(run.stderr).not.toMatch("Failed to open remote image");
    expect(app.count("GET", /run\/manifests/)).toBe(1);
    expect(app.manifests.find("app", "latest")).toBeUndefined();
    expect(cache.manifests.find("cache", "latest")).toBeUndefined();
  });

  test("when its registry is down", async () => {
    const { scene } = await scenes();
    const gone = "127.0.0.1:9";
    writeAnalyzed(scene.output, `${gone}/run@sha256:${"0".repeat(64)}`);
    const run = await scene.export({ images: [`${gone}/app`] });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain("Warning: Failed to open remote image (attempt 1/6): connect to repo store");
    expect(run.stderr).toMatch(
      /ERROR: failed to create new app image: .*dial tcp 127\.0\.0\.1:9: connect: connection refused\n/,
    );
  });

  test("without credentials", async () => {
    const { scene } = await scenes();
    const auth = { kind: "basic", username: "user", password: "secret" } as const;
    await using closed = await FakeRegistry.start({ auth });
    const run = await scene.export({ images: [`${closed.host}/app:latest`] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(`failed to write image to the following tags: [${closed.host}/app:latest: `);
    // A HEAD or a POST, whichever is answered first.
    expect(run.stderr).toMatch(/unexpected status code 401 Unauthorized|UNAUTHORIZED: authentication required/);
  });

  test.for(MODES)("when nothing may be pushed, and the cache is not committed ($flags)", async ({ flags }) => {
    const { app, cache, scene } = await scenes();
    app.faults.add({ method: "POST", target: /blobs\/uploads/, times: ALWAYS, action: { answer: denied } });
    const run = await scene.export({ flags });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(/ERROR: failed to export: failed to write image to the following tags: \[.*DENIED/);
    expect(cache.manifests.find("cache", "latest")).toBeUndefined();
    expect(cache.count("PUT", /manifests/)).toBe(0);
  });

  test("at its last request, when all of the cache's blobs are there", async () => {
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
      // Many times what a cache needs that does not wait: that it does nothing cannot be awaited otherwise.
      await setTimeout(250);
      return denied;
    };
    app.faults.add({ method: "PUT", target: /app\/manifests/, action: { around: refuse } });
    const run = await scene.export({ flags: ["-parallel"] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toContain("Warning: Failed to export cache: the app image was not exported\n");
    expect(cache.count("PUT", /manifests/)).toBe(0);
    expect(run.events).toContainEqual(expect.objectContaining({ event: "cache-failed" }));
  });

  test("when a file changes during the export, and names it", async () => {
    const { app, cache, scene } = await scenes();
    const path = scene.layerPath("libraries", "libraries", "late.bin");
    // Enough that most of it is not read yet when the first bytes of the first layer arrive.
    for (let i = 0; i < 24; i++) writeFileSync(scene.layerPath("libraries", "libraries", `b${i}`), noise(1 << 20, i));
    writeFileSync(path, "as it was\n");
    const lengthen = async (proceed: () => Promise<Reply>) => {
      writeFileSync(path, "something longer\n");
      return proceed();
    };
    app.faults.add({ method: "PATCH", target: /app\/blobs/, action: { around: lengthen } });
    const run = await scene.export({ flags: ["-parallel", "-workers", "1"] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(/ERROR: failed to export: creating layer: .*late\.bin/);
    expect(app.count("PUT", /manifests/) + cache.count("PUT", /manifests/)).toBe(1); // the run image's
  });

  test("before any layer, when the build's metadata is unreadable", async () => {
    const { scene } = await scenes();
    writeFileSync(`${scene.output.layersDir}/config/metadata.toml`, "= nonsense");
    // With a run image in it the metadata is read earlier, and ends the command with another code.
    writeFileSync(`${scene.output.root}/run.toml`, "");
    const run = await scene.export({ flags: ["-parallel"] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch("ERROR: failed to export: read build metadata: ");
  });
});

describe("an upload breaks", () => {
  test("and goes on where it stopped", async () => {
    const { app, scene } = await scenes();
    // The large layer's: chunked, or of a length.
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
  });
});

describe("the cache fails", () => {
  test.for(MODES)("which is one warning, and the app image is whole ($flags)", async ({ flags }) => {
    const { cache, scene } = await scenes();
    cache.faults.add({ method: "POST", target: /blobs\/uploads/, times: ALWAYS, action: { answer: denied } });
    const run = await scene.export({ flags });
    expect(run.exitCode).toBe(0);
    const saving = `committing cache: saving image '${scene.cacheImage}'`;
    expect(run.stderr).toBe(
      `Warning: Failed to export cache: ${saving}: POST http://${cache.host}/v2/cache/blobs/uploads/: DENIED: requested access to the resource is denied\n`,
    );
    await verifyImage(scene.appImage);
    expect(run.events).toContainEqual(expect.objectContaining({ event: "cache-failed" }));
    expect(run.events).toContainEqual(expect.objectContaining({ event: "layer", id: "samples/java:jdk", uploads: 1 }));
    expect(cache.count("PUT", /manifests/)).toBe(0);
  });

  test("for one layer that cannot be read, which is left out", async () => {
    const { app, scene } = await scenes();
    // All but the first blocks of it are read after the app's.
    for (let i = 0; i < 24; i++) writeFileSync(scene.layerPath("maven", "maven", `b${i}`), noise(1 << 20, i));
    const path = scene.layerPath("maven", "maven", "repository.jar");
    const shorten = async (proceed: () => Promise<Reply>) => {
      writeFileSync(path, "shorter");
      return proceed();
    };
    app.faults.add({ method: "PATCH", target: /app\/blobs/, action: { around: shorten } });
    const run = await scene.export({ flags: ["-parallel", "-workers", "1"] });
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toMatch(
      /^Warning: Failed to cache layer 'samples\/java:maven': creating layer 'samples\/java:maven': file changed .*repository\.jar.*\n$/,
    );
    expect((await verifyImage(scene.appImage)).layers).toHaveLength(8);
    expect((await verifyImage(scene.cacheImage)).layers).toHaveLength(1);
  });
});
