import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { verifyImage } from "../../support/images/verify-image.ts";
import { type Reply, refusal } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { REGISTRY_KINDS } from "../../support/registry/registry-kinds.ts";
import { layerWork, Scene } from "../../support/scenes/scene.ts";

const reportOf = ({ output }: Scene): string => readFileSync(join(output.layersDir, "report.toml"), "utf8");
const tagsIn = (report: string): string => /^ {2}tags = \[(.*)\]$/m.exec(report)?.[1] ?? "";

describe.for(REGISTRY_KINDS)("several names at $name", ({ start, isMissing }) => {
  test.skipIf(isMissing)("in one repository and in another", async () => {
    const registry = await start();
    const scene = await Scene.openSmall(registry);
    const images = ["app:latest", "app:v1", "other:v2", "other:v3"].map((name) => `${registry.host}/${name}`);
    const run = await scene.export({ images, cache: "" });
    expect(run).toMatchObject({ exitCode: 0, stderr: "Warning: No cached data will be used, no cache specified.\n" });
    const digests = await Promise.all(images.map(async (image) => (await verifyImage(image)).digest));
    expect(new Set(digests).size).toBe(1);
    expect(tagsIn(reportOf(scene))).toBe(images.map((image) => `"${image}"`).join(", "));
    expect(layerWork(run.events)).toMatchObject({ jdk: { reads: 1, compressions: 1, uploads: 1 } });
    if (!(registry instanceof FakeRegistry)) return;
    // Eight layers, of which the run image's is mounted, and the config.
    expect(registry.count("PATCH", /\/v2\/app\//)).toBe(8);
    // Everything is mounted, except for the config, which is too small to matter.
    expect(registry.count("POST", /\/v2\/other\/blobs\/uploads\/\?mount=.*&from=(app|run)$/)).toBe(8);
    expect(registry.count("PATCH", /\/v2\/other\//)).toBe(1);
    expect(registry.count("PUT", /\/manifests\/(latest|v1|v2|v3)$/)).toBe(5); // and the run image's
  });
});

describe("a name that fails", () => {
  test("does not affect the others, which the report lists", async () => {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    const denied = refusal(403, "DENIED", "requested access to the resource is denied");
    registry.faults.add({ method: "PUT", target: /app\/manifests\/v1$/, action: { answer: denied } });
    const images = [scene.appImage, `${registry.host}/app:v1`, `${registry.host}/other:v2`];
    const run = await scene.export({ images });
    expect(run.exitCode).toBe(62);
    const cause = `PUT http://${registry.host}/v2/app/manifests/v1: DENIED: requested access to the resource is denied`;
    expect(run.stderr).toBe(
      `ERROR: failed to export: failed to write image to the following tags: [${images[1]}: ${cause}]\n` +
        `Give credentials that may push to ${registry.host}/app, in CNB_REGISTRY_AUTH or docker's config.json. (HTTP 403 for manifest v1 of ${registry.host}/app)\n`,
    );
    expect(run.stdout).toContain(`      ${images[0]}\n      ${images[1]} - ${cause}\n      ${images[2]}\n`);
    const saved = [images[0] ?? "", images[2] ?? ""];
    for (const image of saved) await verifyImage(image);
    expect(tagsIn(reportOf(scene))).toBe(saved.map((image) => `"${image}"`).join(", "));
    expect(registry.manifests.find("app", "v1")).toBeUndefined();
    expect(registry.manifests.find("cache", "latest")).toBeUndefined();
  });

  const denied = refusal(403, "DENIED", "no");
  test.each<[string, readonly string[], Reply, string]>([
    ["refuses uploads", ["POST"], denied, "POST http://HOST/v2/app/blobs/uploads/"],
    ["opens uploads nowhere", ["POST"], { status: 202 }, "HOST: missing Location header]"],
    ["refuses bytes and reads", ["PATCH", "GET"], denied, "PATCH http://HOST/v2/app/blobs/uploads/"],
  ])("because its repository %s, after it was asked, does not hinder another", async (_, methods, answer, cause) => {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    const target = /\/v2\/app\/blobs\//;
    // The first upload is the check of push access.
    const when = () => registry.count("POST", target) > 1;
    for (const method of methods)
      registry.faults.add({ method, target, when, times: Number.POSITIVE_INFINITY, action: { answer } });
    const other = `${registry.host}/other:v2`;
    const run = await scene.export({ images: [scene.appImage, other] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toContain(`[${scene.appImage}: ${cause.replace("HOST", registry.host)}`);
    expect(run.stderr).not.toContain(other);
    expect(tagsIn(reportOf(scene))).toBe(`"${other}"`);
    await verifyImage(other);
  });

  test("together with all others leaves no report", async () => {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    const denied = refusal(403, "DENIED", "requested access to the resource is denied");
    registry.faults.add({ method: "PUT", target: /app\/manifests\//, action: { answer: denied } });
    expect((await scene.export()).exitCode).toBe(62);
    expect(() => reportOf(scene)).toThrow("ENOENT");
  });
});
