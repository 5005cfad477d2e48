import { once } from "node:events";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { EXPORTER, flagsFor, readEvents, startProgram } from "../../support/process/exporter.ts";
import { refusal } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { type Exported, Scene } from "../../support/scenes/scene.ts";

const ALWAYS = Number.POSITIVE_INFINITY;

async function open() {
  const registry = await FakeRegistry.start();
  return { registry, scene: await Scene.openSmall(registry) };
}

function errorOf({ events }: Exported) {
  return events.find(({ event }) => event === "error");
}

describe("an export whose tag is refused reports the refusal's code, destination and hint", () => {
  test.each([
    ["before anything is pushed", "POST", /\/v2\/app\/blobs\/uploads\/$/, "an upload"],
    ["at its last request", "PUT", /\/v2\/app\/manifests\//, "manifest latest"],
  ])("%s", async (_when, method, target, about) => {
    const { registry, scene } = await open();
    const denied = refusal(403, "DENIED", "requested access to the resource is denied");
    registry.faults.add({ method, target, times: ALWAYS, action: { answer: denied } });
    const run = await scene.export();
    expect(run.exitCode).toBe(62);
    const repository = `${registry.host}/app`;
    const error = errorOf(run);
    expect(error).toMatchObject({
      code: "EXPORT_REGISTRY_DENIED",
      destination: repository,
      reason: expect.stringMatching(
        /^failed to export: failed to write image to the following tags: \[.*: .* DENIED: requested access/,
      ),
      hint: expect.stringMatching(
        new RegExp(`^Give credentials that may push to ${repository}.*HTTP 403 for ${about}`),
      ),
    });
    expect(run.stderr).toContain(`ERROR: ${error?.event === "error" ? `${error.reason}\n${error.hint}` : ""}\n`);
  });

  test("reports the first of several refused tags, in the order of the arguments", async () => {
    const { registry, scene } = await open();
    const fail = (name: string, status: number, code: string) =>
      registry.faults.add({
        method: "PUT",
        target: new RegExp(`/manifests/${name}$`),
        times: ALWAYS,
        action: { answer: refusal(status, code, "no") },
      });
    fail("v1", 409, "CONFLICT");
    fail("v2", 403, "DENIED");
    const names = ["app:latest", "app:v1", "app:v2"].map((name) => `${registry.host}/${name}`);
    const run = await scene.export({ images: names });
    expect(run.exitCode).toBe(62);
    const error = errorOf(run);
    expect(error).toMatchObject({ code: "EXPORT_REGISTRY_IMMUTABLE", destination: `${registry.host}/app` });
    // The hint also covers the other names.
    expect(run.stderr).toMatch(/\nThe tag v1 of .* is immutable: .*\nGive credentials /);
    await verifyImage(names[0] ?? "");
  });
});

describe("a failure before the export begins emits an error event", () => {
  const daemon = { DOCKER_HOST: "unix:///nowhere/docker.sock" };
  const auth = { CNB_REGISTRY_AUTH: "secret-word" };
  test.each([
    { what: "a daemon that is not there", env: daemon, flags: ["-daemon"], code: "EXPORT_DAEMON_UNREACHABLE" },
    { what: "credentials that cannot be read", env: auth, flags: [], code: "EXPORT_AUTH_ENVIRONMENT" },
  ])("$what", async ({ env, flags, code }) => {
    const { scene } = await open();
    const run = await scene.export({ cache: "", flags, env });
    expect(run.exitCode).not.toBe(0);
    expect(run.events.filter(({ event }) => event === "error")).toEqual([
      expect.objectContaining({ code, reason: expect.any(String), hint: expect.any(String) }),
    ]);
    expect(`${run.stderr}${JSON.stringify(run.events)}`).not.toMatch("secret-word");
  });
});

describe("a tag that may not be overwritten", () => {
  test("is not retried, and the other tags are pushed", async () => {
    const { registry, scene } = await open();
    const answer = refusal(412, "PRECONDITION", "configured as immutable");
    registry.faults.add({ method: "PUT", target: /\/manifests\/v1$/, times: ALWAYS, action: { answer } });
    const images = [scene.appImage, `${registry.host}/app:v1`];
    const run = await scene.export({ images });
    expect(run.exitCode).toBe(62);
    expect(errorOf(run)).toMatchObject({
      code: "EXPORT_REGISTRY_IMMUTABLE",
      hint: expect.stringMatching(/^The tag v1 of .*\/app is immutable: use another tag, or allow overwriting/),
    });
    expect(registry.count("PUT", /\/manifests\/v1$/)).toBe(1);
    await verifyImage(scene.appImage);
  });

  test("is suggested as the reason if the registry only denies access", async () => {
    const { registry, scene } = await open();
    expect(await scene.export()).toMatchObject({ exitCode: 0 });
    scene.change("libraries", "something else\n");
    const answer = refusal(403, "DENIED", "requested access to the resource is denied");
    registry.faults.add({ method: "PUT", target: /\/manifests\/latest$/, times: ALWAYS, action: { answer } });
    const run = await scene.export();
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(/\nGive credentials that may overwrite manifest latest of .*; if the tag is immutable,/);
  });
});

test("a digest as target is reported as an invalid name, not as a damaged disk", async () => {
  const { registry, scene } = await open();
  const image = `${registry.host}/app@sha256:${"0".repeat(64)}`;
  const run = await scene.export({ images: [image] });
  expect(run.exitCode).toBe(62);
  expect(errorOf(run)).toMatchObject({
    code: "EXPORT_INPUT_REFERENCE",
    hint: expect.stringContaining(`Name the image by a tag, e.g. ${registry.host}/app:latest`),
  });
  expect(run.stderr).not.toMatch("disk");
});

test.each(["team//app", "app/"])(
  "a redirect for the repository %s is attributed to the empty part of its name",
  async (name) => {
    const { registry, scene } = await open();
    registry.faults.add({
      method: "POST",
      target: /\/blobs\/uploads\//,
      times: ALWAYS,
      action: { answer: { status: 301, headers: { location: "/v2/app/blobs/uploads/" } } },
    });
    const run = await scene.export({ images: [`${registry.host}/${name}`] });
    expect(run.exitCode).toBe(62);
    expect(errorOf(run)).toMatchObject({
      hint: expect.stringMatching(`^Leave out the empty part of ${registry.host}/${name}:`),
    });
  },
);

describe("invalid image names are rejected before any request to a registry", () => {
  test.each<[string, readonly string[], RegExp]>([
    ["a cache image that is a path", ["-cache-image", "/workspace/cache"], /that is a path: use -cache-dir/],
    ["one that is a relative path", ["-cache-image", "./cache"], /that is a path: use -cache-dir/],
    ["a tag that is a path", ["/workspace/app"], /that is a path: name an image/],
    ["a tag with a component ..", ["registry.example/app/../other"], /that is a path: name an image/],
    ["one with a component . before a tag", ["registry.example/app/.:v1"], /that is a path: name an image/],
    ["a URL", ["https://registry.example/app"], /image argument .*Leave out https:\/\/, e\.g\. registry/],
    ["one letter", ["registry.example/a"], /at least 2 characters, e\.g\. registry\.example\/team\/app/],
    ["upper case", ["registry.example/Team/App"], /lower-case letters .* e\.g\. registry\.example\/team\/app/],
  ])("%s", async (_what, args, hint) => {
    const { registry, scene } = await open();
    registry.requests.length = 0;
    const isFlag = args[0]?.startsWith("-") ?? false;
    const run = await scene.export({
      cache: "",
      flags: isFlag ? args : [],
      images: isFlag ? [scene.appImage] : [scene.appImage, ...args],
    });
    expect(run.exitCode).toBe(3);
    expect(run.stderr).toContain(`ERROR: failed to resolve inputs: could not parse reference: ${args.at(-1)}\n`);
    expect(run.stderr).toMatch(hint);
    expect(registry.requests).toEqual([]);
  });
});

test.each([
  ["https://me:secret-word@registry.example/app", /Leave out the credentials/],
  ["me:secret-word@registry.example/app", /Leave out the credentials/],
  ["me:secret-word@registry.example/../app", /\[redacted\]@registry\.example\/\.\.\/app, and that is a path/],
])("credentials in an image name are redacted: %s", async (image, hint) => {
  const { scene } = await open();
  const run = await scene.export({ images: [image] });
  expect(run.exitCode).toBe(3);
  expect(run.stderr).toMatch(/could not parse reference: .*\[redacted\]@registry\.example\/.*app\n/);
  expect(run.stderr).toMatch(hint);
  expect(`${run.stdout}${run.stderr}`).not.toMatch("secret-word");
});

test("an invalid name from the environment is reported with its variable", async () => {
  const { scene } = await open();
  const run = await scene.export({ env: { CNB_PREVIOUS_IMAGE: "A" } });
  expect(run.exitCode).toBe(3);
  expect(run.stderr).toMatch(
    /could not parse reference: A\nCorrect -previous-image \(CNB_PREVIOUS_IMAGE\)\. Use lower-case/,
  );
});

test.each([
  ["previous", 1, (runImage: string) => `[image]\nreference = "A"\n[run-image]\nreference = "${runImage}"\n`],
  ["run", 3, () => '[run-image]\nreference = "A"\n'],
])("an invalid name of the %s image is reported as coming from analyzed.toml", async (image, exitCode, analyzed) => {
  const { scene } = await open();
  writeFileSync(join(scene.output.layersDir, "analyzed.toml"), analyzed(scene.runImage));
  const run = await scene.export({ cache: "" });
  expect(run.exitCode).toBe(exitCode);
  expect(run.stderr).toContain(
    `could not parse reference: A\nCorrect the ${image} image of analyzed.toml. Use lower-case`,
  );
});

test("a server that is not a registry is not mistaken for a missing image", async () => {
  const { registry, scene } = await open();
  const answer = { status: 404, body: "<html>" };
  registry.faults.add({ method: "GET", target: /^\/v2\/$/, times: ALWAYS, action: { answer } });
  const run = await scene.export({ cache: "" });
  expect(run.exitCode).not.toBe(0);
  expect(errorOf(run)).toMatchObject({ code: "EXPORT_REGISTRY_PROTOCOL", hint: expect.stringContaining("/v2/") });
  expect(run.stderr).not.toMatch("there is no image");
});

test.each([
  ["", ""],
  [" with its parent", "/none/app"],
])("a missing app directory%s is reported by its path, not as a concurrent change", async (_, below) => {
  const { scene } = await open();
  rmSync(scene.output.appDir, { recursive: true });
  const appDir = scene.output.appDir + below;
  const run = await scene.export({ flags: ["-app", appDir] });
  expect(run.exitCode).toBe(62);
  expect(run.stderr).toContain(`: lstat ${appDir}: no such file or directory\n`);
  expect(errorOf(run)).toMatchObject({
    code: "EXPORT_LAYER_READ",
    hint: expect.stringContaining("-app (CNB_APP_DIR)"),
  });
  expect(run.stderr).not.toMatch("nothing writes");
});

test("the error for an unreadable file names it and a remedy", async () => {
  const { scene } = await open();
  const { layersDir } = scene.output;
  chmodSync(join(layersDir, "samples_java", "jdk.toml"), 0o644);
  rmSync(join(layersDir, "group.toml"));
  const run = await scene.export();
  expect(run.exitCode).toBe(1);
  expect(run.stderr).toContain(`${layersDir}/group.toml: no such file or directory\nCheck that the path exists`);
});

describe("a short export prints a summary with -progress plain only", () => {
  test.each([
    ["plain", true],
    ["auto", false],
  ])("-progress %s: %s", async (progress, isThere) => {
    const { scene } = await open();
    const run = await scene.export({ flags: ["-progress", progress] });
    expect(run.exitCode).toBe(0);
    expect(/^Summary: .*\nSummary: app image ready after /m.test(run.stdout)).toBe(isThere);
  });
});

const isRoot = process.getuid?.() === 0;

describe("an error about switching users names the process's own IDs", () => {
  const advice =
    "This process is 1000:1000: pass -uid 1000 -gid 1000 (CNB_USER_ID, CNB_GROUP_ID), or start it as root with the capabilities SETUID and SETGID.\n";

  test.skipIf(!isRoot).each([
    ["another user", ["-uid", "1001", "-gid", "1000"], "1001:1000"],
    ["another group", ["-uid", "1000", "-gid", "1001"], "1000:1001"],
    ["root, which is the default", ["-uid", "0", "-gid", "0"], "0:0"],
  ])("%s", async (_what, user, ids) => {
    const { scene } = await open();
    const program = ["--reuid", "1000", "--regid", "1000", "--clear-groups", EXPORTER];
    const { root } = scene.output;
    chmodSync(root, 0o755);
    const events = join(tempTree(), "events.jsonl");
    writeFileSync(events, "");
    chmodSync(events, 0o666);
    chmodSync(dirname(events), 0o755);
    const args = [...flagsFor(scene.output), ...user, "-events", events, scene.appImage];
    const run = await startProgram("setpriv", [...program, ...args]).ended;
    expect(run.exitCode).toBe(1);
    expect(readEvents(events)).toEqual([
      expect.objectContaining({ event: "error", code: "EXPORT_PRIVILEGES", hint: advice.trim() }),
    ]);
    expect(run.stderr).toContain(`ERROR: failed to exec as user ${ids}: operation not permitted\n${advice}`);
  });
});

test.skipIf(!isRoot)("a user who may not open root's docker socket gets advice on permissions", async () => {
  const { scene } = await open();
  chmodSync(scene.output.root, 0o755);
  const directory = tempTree();
  chmodSync(directory, 0o755);
  const socket = join(directory, "docker.sock");
  await using server = createServer();
  server.listen(socket);
  await once(server, "listening");
  chmodSync(socket, 0o600);
  const user = ["--reuid", "1000", "--regid", "1000", "--clear-groups"];
  const args = [...user, EXPORTER, ...flagsFor(scene.output), "-uid", "1000", "-gid", "1000", "-daemon", "app"];
  const run = await startProgram("setpriv", args, { DOCKER_HOST: `unix://${socket}` }).ended;
  expect(run.exitCode).toBe(1);
  expect(run.stderr).toContain(
    `ERROR: failed to initialize docker client: failed to connect to docker socket: dial unix ${socket}: connect: permission denied\nA socket of root is opened before the exporter becomes the user of -uid: start as root or as a member of its group.`,
  );
});
