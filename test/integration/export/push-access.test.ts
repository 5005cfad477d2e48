import { describe, expect, test } from "vitest";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { pushRunImage } from "../../support/images/run-image.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { refusal } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

const ALWAYS = Number.POSITIVE_INFINITY;
const UPLOADS = /\/blobs\/uploads\/$/;
const denied = refusal(403, "DENIED", "requested access to the resource is denied");
const unknown = refusal(404, "NAME_UNKNOWN", "repository name not known to registry");

async function scenes() {
  const [app, cache] = [await FakeRegistry.start(), await FakeRegistry.start()];
  return { app, cache, scene: await Scene.openSmall(app, cache) };
}

function questions(registry: FakeRegistry, repository: string) {
  const own = registry.requests.filter(({ target }) => target.startsWith(`/v2/${repository}/blobs/uploads/`));
  const canceled = own.filter(({ method }) => method === "DELETE");
  return { canceled: canceled.length, patches: own.filter(({ method }) => method === "PATCH").length };
}

test("each repository's access is checked once, and no upload is left open", async () => {
  const { app, cache, scene } = await scenes();
  const images = ["app:latest", "app:v1", "other:v2"].map((name) => `${app.host}/${name}`);
  const run = await scene.export({ images });
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  expect(questions(app, "app").canceled).toBe(1);
  expect(questions(app, "other").canceled).toBe(1);
  expect(questions(cache, "cache").canceled).toBe(1);
});

test("pushes succeed even if the token server denies the right to delete", async () => {
  const login = { username: "jane", password: "s3cret" };
  const app = await FakeRegistry.start({ auth: { kind: "bearer", ...login, refusesDelete: true } });
  if (app.auth) app.auth.isSuspended = true;
  const scene = await Scene.openSmall(app, await FakeRegistry.start());
  if (app.auth) app.auth.isSuspended = false;
  const authorization = `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`;
  const run = await scene.export({ env: { CNB_REGISTRY_AUTH: JSON.stringify({ [app.host]: authorization }) } });
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
});

describe("a name that may not be pushed", () => {
  test.each([
    ["is denied", denied, "DENIED: requested access to the resource is denied"],
    ["does not exist", unknown, "NAME_UNKNOWN: repository name not known to registry"],
    ["takes no pushes", { status: 405, body: "" }, "unexpected status code 405 Method Not Allowed"],
  ])("because it %s ends the export before anything is published", async (_what, answer, reason) => {
    const { app, cache, scene } = await scenes();
    const target = /^\/v2\/closed\/blobs\/uploads\/$/;
    app.faults.add({ method: "POST", target, times: ALWAYS, action: { answer } });
    const closed = `${app.host}/closed:v1`;
    const run = await scene.export({ images: [scene.appImage, closed] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(
      `ERROR: failed to export: failed to write image to the following tags: [${closed}: POST http://${app.host}/v2/closed/blobs/uploads/: ${reason}]\n`,
    );
    expect(run.stderr.match(/ERROR/g)).toHaveLength(1);
    expect(app.count("PUT", /\/v2\/app\/manifests\//)).toBe(0);
    expect(cache.count("PUT", /manifests/)).toBe(0);
  });

  test("is reported only if all images can be opened", async () => {
    const { app, scene } = await scenes();
    app.faults.add({ method: "POST", target: UPLOADS, times: ALWAYS, action: { answer: denied } });
    writeAnalyzed(scene.output, `${app.host}/run@sha256:${"0".repeat(64)}`);
    const run = await scene.export();
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toMatch(/^ERROR: failed to create new app image: /m);
    expect(run.stderr).not.toMatch("DENIED");
  });
});

test.each([402, 403, 404, 405, 410])("one %i for a ping does not count as refused push access", async (status) => {
  const { app, cache, scene } = await scenes();
  // Then only the check of the access pings the app image's registry.
  writeAnalyzed(scene.output, await pushRunImage(`${cache.host}/run`));
  app.faults.add({ method: "GET", target: /^\/v2\/$/, action: { answer: { status, body: "<html>" } } });
  expect(await scene.export()).toMatchObject({ exitCode: 0, stderr: "" });
  expect(app.faults.unused).toBe(0);
  await verifyImage(scene.appImage);
});

test("the check is retried while the registry is busy", async () => {
  const { app, scene } = await scenes();
  const busy = { status: 503, headers: { "retry-after": "0" }, body: "" };
  app.faults.add({ method: "POST", target: UPLOADS, times: 2, action: { answer: busy } });
  const run = await scene.export();
  expect(run.exitCode).toBe(0);
  expect(app.faults.unused).toBe(0);
  await verifyImage(scene.appImage);
});

test("a registry that cannot cancel an upload, or does not answer, delays nothing", async () => {
  const { app, cache, scene } = await scenes();
  app.faults.add({ method: "DELETE", target: /uploads/, times: ALWAYS, action: { answer: { status: 404, body: "" } } });
  const silence = () => new Promise<never>(() => undefined);
  cache.faults.add({ method: "DELETE", target: /uploads/, times: ALWAYS, action: { around: silence } });
  cache.faults.add({ method: "POST", target: UPLOADS, action: { answer: { status: 202, body: "" } } });
  const run = await scene.export();
  expect(run.exitCode).toBe(0);
  await verifyImage(scene.appImage);
  await verifyImage(scene.cacheImage);
});

test.each([[[]], [["-parallel"]]])(
  "a cache that may not be pushed is one warning, and makes no work (%j)",
  async (flags) => {
    const { cache, scene } = await scenes();
    cache.faults.add({ method: "POST", target: UPLOADS, times: ALWAYS, action: { answer: denied } });
    const run = await scene.export({ flags });
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toMatch(
      new RegExp(
        `^Warning: Failed to export cache: committing cache: saving image '${scene.cacheImage}': POST http://.*DENIED`,
      ),
    );
    expect(run.stderr.match(/Warning/g)).toHaveLength(1);
    await verifyImage(scene.appImage);
    expect(cache.count("PATCH", /./)).toBe(0);
  },
);
