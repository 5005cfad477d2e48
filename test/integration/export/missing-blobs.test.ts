import { rmSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { digestOf as digestOfBytes } from "../../../src/oci/digest.ts";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { pushRunImage, smallRunImage } from "../../support/images/run-image.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { type Exchange, type Reply, refusal } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { layerWork, Scene } from "../../support/scenes/scene.ts";

/** An exported scene with a changed build, and the digests in the registry. */
async function rebuilt(flags: readonly string[] = []) {
  const registry = await FakeRegistry.start();
  const scene = await Scene.openSmall(registry);
  expect(await scene.export({ flags })).toMatchObject({ exitCode: 0, stderr: "" });
  const app = await scene.analyze();
  const cache = await verifyImage(scene.cacheImage);
  scene.change("libraries");
  const digestOf = (layer: number, image = app) => image.layers[layer]?.digest ?? "";
  return { registry, scene, app, cache, digestOf };
}

/** The registry reports a blob once and then loses it. */
function vanishAfterHead(registry: FakeRegistry, repository: string, digest: string): void {
  const vanish = async (proceed: () => Promise<Reply>): Promise<Reply> => {
    const reply = await proceed();
    registry.blobs.unlink(repository, digest);
    return reply;
  };
  registry.faults.add({
    method: "HEAD",
    target: new RegExp(`/${repository}/blobs/${digest}`),
    action: { around: vanish },
  });
}

/** The run image's layer comes first, then the buildpack's layers by name. */
const JDK = 1;
const LIBRARIES = 2;

describe("a blob that disappears before the manifest is pushed", () => {
  test.for([[], ["-parallel"]])("is built and pushed again, once (%j)", async (flags) => {
    const { registry, scene, app, digestOf } = await rebuilt();
    vanishAfterHead(registry, "app", digestOf(JDK));
    const run = await scene.export({ flags });
    expect(run.stderr).toBe(
      `Warning: ${registry.host}/app reported blobs it does not have; uploading them again: ${digestOf(JDK)}\n`,
    );
    expect(run.exitCode).toBe(0);
    expect(registry.faults.unused).toBe(0);
    expect((await verifyImage(scene.appImage)).layers[JDK]).toEqual(app.layers[JDK]);
    await verifyImage(scene.cacheImage);
    expect(layerWork(run.events).jdk).toMatchObject({ compressions: 1, uploads: 1 });
    expect(registry.count("PUT", /app\/manifests/)).toBe(3);
  });

  test("is found even if the registry does not name it", async () => {
    const { registry, scene, digestOf } = await rebuilt();
    vanishAfterHead(registry, "app", digestOf(JDK));
    const silent = refusal(404, "MANIFEST_BLOB_UNKNOWN", "some blob is unknown");
    registry.faults.add({ method: "PUT", target: /app\/manifests/, action: { answer: silent } });
    const run = await scene.export();
    expect(run.exitCode).toBe(0);
    await verifyImage(scene.appImage);
  });

  test.for([[], ["-parallel"]])("is not uploaded again if it was not lost (%j)", async (flags) => {
    const { registry, scene } = await rebuilt();
    const silent = refusal(400, "MANIFEST_BLOB_UNKNOWN", "some blob is unknown");
    for (const target of [/app\/manifests/, /cache\/manifests/])
      registry.faults.add({ method: "PUT", target, action: { answer: silent } });
    // Then this layer cannot be made again.
    rmSync(scene.layerPath("libraries"), { recursive: true });
    scene.change("jdk");
    const run = await scene.export({ flags });
    expect(run.exitCode).toBe(0);
    expect(run.stderr.match(/it accepted or reported; pushing the manifest again in 1s: /g)).toHaveLength(2);
    expect(run.stderr).not.toContain("uploading them again");
    expect(registry.faults.unused).toBe(0);
    await verifyImage(scene.appImage);
    await verifyImage(scene.cacheImage);
  });

  test("is one error and changes no tag if it cannot be rebuilt", async () => {
    const { registry, scene, app, digestOf } = await rebuilt();
    rmSync(scene.layerPath("libraries"), { recursive: true });
    scene.change("jdk");
    vanishAfterHead(registry, "app", digestOf(LIBRARIES));
    const run = await scene.export({ cache: "" });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toContain(
      `ERROR: failed to export: saving image: layer 'samples/java:libraries': blob ${digestOf(LIBRARIES)} is gone from ${registry.host}/app`,
    );
    expect(run.stderr).toContain("\nRestore the blob, or build again");
    expect(digestOfBytes(registry.manifests.find("app", "latest") ?? Buffer.alloc(0))).toBe(app.digest);
  });

  test("of the cache alone is pushed again", async () => {
    const { registry, scene, cache } = await rebuilt();
    const maven = cache.layers[1]?.digest ?? "";
    scene.change("jdk");
    // The first HEAD checks whether the old cache is complete.
    const whole = { change: (reply: Reply) => reply };
    registry.faults.add({ method: "HEAD", target: new RegExp(`/cache/blobs/${maven}`), action: whole });
    vanishAfterHead(registry, "cache", maven);
    const run = await scene.export();
    expect(run.stderr).toBe(
      `Warning: ${registry.host}/cache reported blobs it does not have; uploading them again: ${maven}\n`,
    );
    expect(run.exitCode).toBe(0);
    expect((await verifyImage(scene.cacheImage)).layers[1]?.digest).toBe(maven);
    expect(layerWork(run.events).maven).toMatchObject({ compressions: 1, uploads: 1 });
  });
});

test.for([[], ["-parallel"]])("a mount that had no effect is replaced by a copy (%j)", async (flags) => {
  const registry = await FakeRegistry.start();
  const scene = await Scene.openSmall(registry);
  const lie = refusal(201, "", "");
  const target = /\/cache\/blobs\/uploads\/\?mount=/;
  registry.faults.add({ method: "POST", target, action: { answer: lie }, times: 1 });
  const run = await scene.export({ flags });
  expect(run.exitCode).toBe(0);
  expect(run.stderr).toMatch(/^Warning: .*\/cache reported blobs it does not have; uploading them again: sha256:.*\n$/);
  await verifyImage(scene.cacheImage);
  // The copy comes from the app image's repository.
  expect(layerWork(run.events).jdk).toMatchObject({ compressions: 1 });
});

test("a mount that had no effect, of a blob that is gone meanwhile, is a warning that names the blob", async () => {
  const registry = await FakeRegistry.start();
  const scene = await Scene.openSmall(registry);
  const lie = async (_proceed: () => Promise<Reply>, { url }: Exchange): Promise<Reply> => {
    registry.blobs.unlink("app", url.searchParams.get("mount") ?? "");
    return refusal(201, "", "");
  };
  registry.faults.add({ method: "POST", target: /\/cache\/blobs\/uploads\/\?mount=/, action: { around: lie } });
  const run = await scene.export();
  expect(run.exitCode).toBe(0);
  expect(run.stderr).toMatch(
    /\nWarning: Failed to export cache: committing cache: .*: GET http:.*\/v2\/app\/blobs\/sha256:.*: BLOB_UNKNOWN: /,
  );
});

test("a blob that the registry loses right after its upload is one error and changes no tag", async () => {
  const registry = await FakeRegistry.start();
  const scene = await Scene.openSmall(registry);
  const lose = async (proceed: () => Promise<Reply>): Promise<Reply> => {
    const reply = await proceed();
    registry.blobs.unlink("app", reply.headers?.["docker-content-digest"] ?? "");
    return reply;
  };
  registry.faults.add({ method: "PUT", target: /\/app\/blobs/, times: 3, action: { around: lose } });
  const run = await scene.export({ cache: "" });
  expect(run.exitCode).toBe(62);
  expect(run.stderr).toMatch(/ERROR: failed to export: failed to write image .*MANIFEST_BLOB_UNKNOWN: blob unknown/);
  expect(run.stderr).toContain(`(HTTP 400 for manifest latest of ${registry.host}/app)`);
  const warning = `${registry.host}/app does not find blobs that it accepted or reported; pushing the manifest again in 1s: `;
  expect(run.stderr).toContain(`Warning: ${warning}sha256:`);
  expect(run.stderr).not.toContain("uploading them again");
  expect(registry.manifests.find("app", "latest")).toBeUndefined();
});

test("a blob missing from the run image's registry is reported there, and nothing is uploaded again", async () => {
  const other = await FakeRegistry.start();
  onTestFinished(() => other[Symbol.asyncDispose]());
  const scene = await Scene.openSmall(await FakeRegistry.start());
  writeAnalyzed(scene.output, await pushRunImage(`${other.host}/run`));
  const layer = digestOfBytes((await smallRunImage()).layer);
  other.blobs.unlink("run", layer);
  const run = await scene.export({ cache: "" });
  expect(run).toMatchObject({ exitCode: 62, stderr: expect.not.stringContaining("reported blobs") });
  expect(run.stderr).toContain(
    `GET http://${other.host}/v2/run/blobs/${layer}: BLOB_UNKNOWN: blob unknown to registry`,
  );
  expect(run.stderr).toContain("\nRestore the blob, or push the image that references it again.");
});
