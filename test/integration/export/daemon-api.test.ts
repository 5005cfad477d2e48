import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pipeline, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { expect, onTestFinished, test, vi } from "vitest";
import { DockerClient } from "../../../src/docker/client.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import { type BuildOutput, writeAnalyzed, writeBuildOutput } from "../../support/build/build-output.ts";
import { DockerApi, type DockerApiOptions, type ReceivedLoad } from "../../support/daemon/docker-api.ts";
import { NO_SMALL_DISK, smallDisk } from "../../support/files/small-disk.ts";
import { startOwner } from "../../support/files/start-owner.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { createdByExtension, writeExtendedLayout } from "../../support/images/extended-layout.ts";
import { ConnectProxy } from "../../support/network/connect-proxy.ts";
import { flagsFor } from "../../support/process/exporter.ts";
import { WAIT } from "../../support/runner/time-limits.ts";
import { exportInProcess } from "../../support/scenes/export-in-process.ts";

const CLASSIC = { apiVersion: "1.41", storage: "classic", knowsBase: true } as const;
const CONTAINERD = { apiVersion: "1.49", storage: "containerd", knowsBase: false } as const;

async function scene(options: DockerApiOptions, listenOn: "unix" | "tcp" = "unix") {
  const [api, host] = await DockerApi.start(options, listenOn);
  onTestFinished(() => api[Symbol.asyncDispose]());
  const from = tempTree({ "libraries/a.js": "module.exports = 1;\n", "app/index.html": "<p>hello</p>\n" });
  const layers = { libraries: { from: [join(from, "libraries")], launch: true, cache: false } };
  const output: BuildOutput = writeBuildOutput(tempTree(), layers, [join(from, "app")]);
  writeAnalyzed(output, "run");
  const flags = [...flagsFor(output), "-log-level", "debug", "-daemon", "-report", join(output.root, "report.toml")];
  const runWith = (env: Readonly<Record<string, string>>, ...more: string[]) =>
    exportInProcess([...flags, ...more], { DOCKER_HOST: host, ...env });
  const run = (...more: string[]) => runWith({}, ...more);
  return { api, host, output, run, runWith };
}

/** Checks that every sent layer is the one that the config lists. */
function expectSent({ config, layers }: ReceivedLoad): void {
  const diffIds = config.rootfs.diff_ids;
  expect(layers).toHaveLength(diffIds.length);
  expect(layers.map((layer, i) => (layer.length === 0 ? diffIds[i] : digestOf(layer)))).toEqual(diffIds);
}

test("a daemon with classic storage is sent only the layers it lacks, over one connection", async () => {
  const { api, run } = await scene(CLASSIC);
  expect(await run("app")).toMatchObject({ exitCode: 0 });
  const [load, ...more] = api.loads;
  expect(more).toEqual([]);
  expect(load?.repoTags).toEqual(["index.docker.io/library/app:latest"]);
  expect(load?.layers.map((layer) => layer.length > 0)).toEqual([false, ...Array(6).fill(true)]);
  expectSent(load as ReceivedLoad);
  // The other connection is for downloading images, and there was none to download.
  expect(api.connections).toBeLessThanOrEqual(2);
  expect(api.requests.filter((request) => request.includes("/get"))).toEqual([]);
  expect(api.requests).not.toContain("GET /v1.41/version");
});

test("a run image without layers ends the export with the lifecycle's exit code", async () => {
  const { api, run } = await scene({ ...CLASSIC, hasNoLayers: true });
  const { exitCode, stderr } = await run("app");
  expect(exitCode).toBe(62);
  expect(stderr).toMatch(/^ERROR: failed to export: get run image top layer SHA: image has no layers$/m);
  expect(api.loads).toEqual([]);
});

test.each([
  ["that succeeds", "/dev/null", 0],
  ["whose events cannot be opened", "/dev/null/events", 1],
])("an export %s leaves no connection to the daemon open", async (_, events, exitCode) => {
  const { api, run } = await scene(CLASSIC);
  expect(await run("-events", events, "app")).toMatchObject({ exitCode });
  expect(api.connections).toBeGreaterThan(0);
  await vi.waitFor(() => expect(api.openConnections).toBe(0), WAIT);
});

test("a daemon with classic storage that rejects an image without its base layers is sent all layers", async () => {
  const { api, run } = await scene({ ...CLASSIC, knowsBase: false });
  const { exitCode, stdout } = await run("app");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/which rejected the image without them: .*embedded daemon response: invalid diffID\n/);
  expect(api.loads.map(({ layers }) => layers[0]?.length)).toEqual([0, api.baseTar.length]);
  for (const load of api.loads) expectSent(load);
});

test("a daemon with containerd storage is sent complete images, and its image ID is reported", async () => {
  const { api, output, run } = await scene(CONTAINERD);
  const { exitCode, stdout } = await run("app", "app:2");
  expect(exitCode).toBe(0);
  const [load, ...more] = api.loads;
  expect(more).toEqual([]);
  expect(load?.layers[0]).toEqual(api.baseTar);
  expectSent(load as ReceivedLoad);
  const id = api.loadedId.slice("sha256:".length);
  expect(stdout).toContain(`*** Images (${id.slice(0, 12)}):\n      app\n      app:2\n`);
  expect(readFileSync(join(output.root, "report.toml"), "utf8")).toContain(`image-id = "${id}"\n`);
  expect(api.requests.filter((request) => request.includes("/tag"))).toEqual([
    `POST /v1.49/images/${api.loadedId}/tag?repo=index.docker.io/library/app&tag=latest`,
    `POST /v1.49/images/${api.loadedId}/tag?repo=index.docker.io/library/app&tag=2`,
  ]);
});

test("a layer that the run image has twice is sent back twice, although it is saved once", async () => {
  const { api, run } = await scene({ ...CONTAINERD, repeatsLayer: true });
  expect(await run("app")).toMatchObject({ exitCode: 0 });
  expect(api.loads[0]?.layers.slice(0, 2)).toEqual([api.baseTar, api.baseTar]);
  expectSent(api.loads[0] as ReceivedLoad);
});

test("a platform-aware daemon is asked for this platform's image, and for the ID of the index", async () => {
  const { api, run } = await scene(CONTAINERD);
  await run("app");
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const platform = `platform={"architecture":"${architecture}","os":"linux"}`;
  expect(api.requests).toContain(`GET /v1.49/images/run/history?${platform}`);
  expect(api.requests).toContain(`GET /v1.49/images/run/json?${platform}`);
  expect(api.requests).toContain(
    `GET /v1.49/images/${api.runImageId}/get?platform={"architecture":"of-the-platform","os":"linux"}`,
  );
  expect(api.loads[0]?.config.architecture).toBe("of-the-platform");
  const { Labels } = JSON.parse(JSON.stringify(api.loads[0]?.config)).config;
  const label = JSON.parse(Labels["io.buildpacks.lifecycle.metadata"]);
  expect(label.runImage.reference).toBe(api.runImageId.slice("sha256:".length));
});

test("an error anywhere in the response to a load fails every name, shown as typed", async () => {
  const { api, run } = await scene(CONTAINERD);
  api.answers.set(1, '{"stream":"Loading"}\r\n{"status":"more"}\r\n{"errorDetail":{"message":"disk full"}}\r\n');
  const { exitCode, stdout, stderr } = await run("app", "app:2");
  expect(exitCode).toBe(62);
  const cause = 'loading image "index.docker.io/library/app:latest". first error: embedded daemon response: disk full';
  expect(stdout).toContain(`*** Images ():\n      app - ${cause}\n      app:2 - ${cause}\n`);
  expect(stderr).toContain(`following tags: [app: ${cause}],[app:2: ${cause}]\n`);
  expect(api.requests.filter((request) => request.includes("/tag"))).toEqual([]);
});

test.each([
  ["empty", "", "parsing daemon response: EOF"],
  ["a blank line", "\r\n", "parsing daemon response: EOF"],
  ["an error without a text", '{"errorDetail":{"code":5,"message":""}}', "embedded daemon response: "],
  ["an error of old daemons", '{"error":"disk full"}', "embedded daemon response: disk full"],
])("an answer to a load that is %s fails the export, and tags nothing", async (_what, answer, reason) => {
  const { api, run } = await scene(CONTAINERD);
  api.answers.set(1, answer);
  const { exitCode, stderr } = await run("app");
  expect(exitCode).toBe(62);
  expect(stderr).toContain(`loading image "index.docker.io/library/app:latest". first error: ${reason}]`);
  expect(api.requests.filter((request) => request.includes("/tag"))).toEqual([]);
});

test.each([
  ["a load", /\/load$/, 62],
  ["a tag", /\/tag$/, 62],
  ["an inspect", /\/json$/, 1],
  ["the download of an image", /\/get$/, 62],
  ["the ping", /^\/_ping$/, 1],
])("a redirect in response to %s fails the export", async (_what, redirects, code) => {
  const { run } = await scene({ ...CONTAINERD, redirects });
  const { exitCode, stderr } = await run("app");
  expect(stderr).toMatch(/error during connect: unix:\S+: unexpected redirect in response/);
  expect(exitCode).toBe(code);
});

const LOADED = '{"stream":"Loaded image: app"}';

test.each([
  ["one after the other", `{"status":"x"}${LOADED}`],
  ["over several lines", JSON.stringify({ stream: "Loaded", aux: { ID: "x" } }, undefined, 2)],
  ["and text", `${LOADED}\n\0\0 done\n`],
  ["and one of another type", `${LOADED}\n[]\n{"error":5}\n`],
])("the answer to a load may be messages %s", async (_what, answer) => {
  const { api, run } = await scene(CLASSIC);
  api.answers.set(1, answer);
  expect(await run("app")).toMatchObject({ exitCode: 0 });
  expect(api.loads).toHaveLength(1);
});

test("a response before the whole image was sent fails the export", async () => {
  const { run } = await scene({ ...CONTAINERD, respondsEarly: true });
  const { exitCode, stderr } = await run("app");
  expect(stderr).toContain("first error: the response came before the whole image was sent]");
  expect(exitCode).toBe(62);
});

test("an error is found in any message of a response", async () => {
  const { api, run } = await scene(CONTAINERD);
  api.answers.set(1, `${LOADED}{"errorDetail":{"message":"disk full"}}`);
  expect((await run("app")).stderr).toContain("first error: embedded daemon response: disk full");
});

test("a launch cache is committed with the image, and stays unchanged if the image fails", async () => {
  const { api, output, run } = await scene(CLASSIC);
  const launchCache = join(output.root, "launch-cache");
  const committed = join(launchCache, "committed");
  mkdirSync(launchCache);
  expect(await run("-launch-cache", launchCache, "app")).toMatchObject({ exitCode: 0 });
  const before = readdirSync(committed).sort();
  expect(before).toEqual(
    api.loads[0]?.layers
      .slice(1)
      .map((layer) => `${digestOf(layer)}.tar`)
      .sort(),
  );
  writeFileSync(join(output.appDir, "new"), "new\n");
  // Without the base, and with it.
  for (const load of [2, 3]) api.answers.set(load, '{"errorDetail":{"message":"disk full"}}\r\n');
  expect(await run("-launch-cache", launchCache, "app")).toMatchObject({ exitCode: 62 });
  expect(readdirSync(committed).sort()).toEqual(before);
  expect(readdirSync(launchCache)).toEqual(["committed"]);
  expect(await run("-launch-cache", launchCache, "app")).toMatchObject({ exitCode: 0 });
  expect(readdirSync(committed).sort()).not.toEqual(before);
});

test("a launch cache that cannot be committed fails the export, in the reference's words", async ({ skip }) => {
  const { run } = await scene(CLASSIC);
  const launchCache = tempTree({ "committed/": "" });
  // A mount point can neither be renamed nor take files from elsewhere.
  if (smallDisk("size=1m", join(launchCache, "committed")) === undefined) return skip(NO_SMALL_DISK);
  const failed = await run("-launch-cache", launchCache, "app");
  expect(failed).toMatchObject({ exitCode: 62 });
  expect(failed.stderr).toMatch(
    /^ERROR: failed to export: saving image: failed to commit cache: .*device or resource busy/m,
  );
});

test("a launch cache that another export uses is left to that one, with a warning", async () => {
  const { api, output, run } = await scene(CLASSIC);
  const launchCache = join(output.root, "launch-cache");
  mkdirSync(launchCache);
  expect(await run("-launch-cache", launchCache, "app")).toMatchObject({ exitCode: 0 });
  const before = readdirSync(join(launchCache, "committed"));
  const owner = await startOwner(join(launchCache, "staging-tandem"));
  writeFileSync(join(output.appDir, "new"), "new\n");
  const { exitCode, stderr } = await run("-launch-cache", launchCache, "app");
  expect(exitCode).toBe(0);
  expect(stderr).toContain(
    `Warning: Failed to export launch cache: another export uses this cache directory: ${launchCache}\nGive each export `,
  );
  expectSent(api.loads.at(-1) as ReceivedLoad);
  expect(readdirSync(join(launchCache, "committed"))).toEqual(before);
  await owner.release();
  expect(await run("-launch-cache", launchCache, "app")).toMatchObject({ exitCode: 0 });
  expect(readdirSync(join(launchCache, "committed"))).not.toEqual(before);
  expect(readdirSync(launchCache)).toEqual(["committed"]);
});

test("the log names the image whose layers are reused", async () => {
  const { output, run } = await scene(CLASSIC);
  expect(await run("app")).toMatchObject({ exitCode: 0 });
  writeAnalyzed(output, "run", '[image]\nreference = "0123"\n');
  expect((await run("app")).stdout).toContain("Reusing layers from image with id '0123'\n");
});

test("two loads never use the same name for a layer's file, because containerd would resume the first", async () => {
  const { api, output, run } = await scene(CONTAINERD);
  const launchCache = join(output.root, "launch-cache");
  mkdirSync(launchCache);
  for (const _ of [1, 2]) expect(await run("-launch-cache", launchCache, "app")).toMatchObject({ exitCode: 0 });
  const names = api.loads.flatMap(({ layerNames }) => layerNames);
  expect(api.loads).toHaveLength(2);
  expect(new Set(names).size).toBe(names.length);
});

test("extension layers are added above the run image's, with the extended config", async () => {
  const { api, output, run } = await scene(CLASSIC);
  const archive = pack();
  archive.entry({ name: "usr/bin/curl" }, "curl");
  archive.finalize();
  const blob = gzipSync(await buffer(archive));
  const createdBy = createdByExtension("RUN apt", "samples/apt");
  writeExtendedLayout(join(output.layersDir, "extended"), [{ blob, createdBy }], { Env: ["PATH=/extended"] });
  writeFileSync(join(output.layersDir, "analyzed.toml"), '[run-image]\nreference = "run"\nextend = true\n');
  expect(await run("app")).toMatchObject({ exitCode: 0 });
  const load = api.loads[0] as ReceivedLoad;
  expectSent(load);
  expect(String(load.layers[1])).toContain("usr/bin/curl");
  const { config, history } = JSON.parse(JSON.stringify(load.config));
  expect(config.Env).toContain("PATH=/cnb/process:/cnb/lifecycle:/extended");
  expect(history[1]).toMatchObject({ created_by: createdBy });
});

test("a daemon may be reached over TCP", async () => {
  const { api, run } = await scene(CLASSIC, "tcp");
  expect(await run("app")).toMatchObject({ exitCode: 0 });
  expect(api.loads).toHaveLength(1);
});

test("a daemon may be reached through a proxy with a login", async () => {
  const { api, host, runWith } = await scene(CLASSIC, "tcp");
  const routes = { "docker.example:2375": host.slice("tcp://".length) };
  await using proxy = await ConnectProxy.start({ login: "user:daemon-proxy-password", routes });
  const env = { DOCKER_HOST: "tcp://docker.example:2375", HTTP_PROXY: proxy.url };
  expect(await runWith(env, "app")).toMatchObject({ exitCode: 0 });
  expect(api.loads).toHaveLength(1);
  expect(proxy.passed[0]).toBe("GET http://docker.example:2375/_ping");
});

test.each([
  ["the ping", /^\/_ping$/, "1.41", ["GET /version", "GET /v1.41/images/run/json"]],
  ["the ping and the version", /^\/(_ping|version)$/, "1.51", ["GET /version", "GET /v1.44/images/run/json"]],
  ["the version and the info", /^\/(version|info)$/, "1.49", ["GET /v1.49/version", "GET /v1.49/images/run/json"]],
])("a proxy that refuses %s does not keep the image from a daemon", async (_what, refuses, apiVersion, first) => {
  const { api, run } = await scene({ ...CLASSIC, apiVersion, refuses });
  expect(await run("app")).toMatchObject({ exitCode: 0 });
  const asked = api.requests.filter((request) => request !== "GET /_ping");
  expect(asked.slice(0, first.length)).toEqual(first);
  expect(api.loads).toHaveLength(1);
});

test.each([
  ["its own image", false],
  ["the image of its name, if the daemon does not know its own by the digest of its config,", true],
])("with classic storage, an export tags and reports %s", async (_what, identifiesByName) => {
  const { api, output, run } = await scene({ ...CLASSIC, identifiesByName });
  expect(await run("app")).toMatchObject({ exitCode: 0 });
  const id = identifiesByName ? api.loadedId : api.loads[0]?.configDigest;
  expect(readFileSync(join(output.root, "report.toml"), "utf8")).toContain(`image-id = "${id?.slice(7)}"`);
  expect(api.requests).toContain(`POST /v1.41/images/${id}/tag?repo=index.docker.io/library/app&tag=latest`);
});

test("an additional name of 64 hexadecimal digits is rejected as by Docker's client, and the others are tagged", async () => {
  const { api, run } = await scene(CLASSIC);
  const digits = "0a".repeat(32);
  const { exitCode, stdout } = await run("app", digits, `${digits}:2`);
  expect(exitCode).toBe(62);
  const flaw = `invalid repository name (${digits}), cannot specify 64-byte hexadecimal strings`;
  expect(stdout).toContain(`${digits} - error parsing reference: "${digits}" is not a valid repository/tag: ${flaw}\n`);
  expect(api.requests.filter((request) => request.includes("/tag")).map((request) => request.split("?")[1])).toEqual([
    "repo=index.docker.io/library/app&tag=latest",
    `repo=index.docker.io/library/${digits}&tag=2`,
  ]);
});

test.each([
  ["too many layers", "max depth exceeded", "use a run image or buildpacks with fewer layers"],
  ["a full disk", "write /layer-0.tar: no space left on device", "Free space on the daemon's disk"],
])("a load that fails for %s is not sent again, and the hint is about that", async (_what, reason, hint) => {
  const { api, run } = await scene(CLASSIC);
  api.answers.set(1, JSON.stringify({ errorDetail: { message: reason } }));
  const { exitCode, stderr } = await run("app");
  expect(exitCode).toBe(62);
  expect(stderr).toContain(`embedded daemon response: ${reason}]\n`);
  expect(stderr).toContain(hint);
  expect(api.loads).toHaveLength(1);
});

test("a daemon that stops during a load is reported as such, not as unreachable", async () => {
  const { host, run } = await scene({ ...CLASSIC, stopsOnLoad: true });
  const { exitCode, stderr } = await run("app");
  expect(exitCode).toBe(62);
  expect(stderr).toContain(
    `first error: the connection to the docker API at ${host} broke: EOF]\nCheck that the daemon `,
  );
});

test.each([
  ["an inspect", /\/json$/, "inspecting"],
  ["a history", /\/history$/, "get history for"],
])("a refusal of %s is reported in the reference's words", async (_what, refuses, asking) => {
  const { run } = await scene({ ...CLASSIC, refuses });
  const { exitCode, stderr } = await run("app");
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`ERROR: failed to  image: ${asking} image "run": Error response from daemon: Forbidden\n`);
});

test.skipIf(process.getuid?.() !== 0)(
  "a connection that was closed before its first request is opened again",
  async () => {
    const server = createServer((_request, response) => void response.setHeader("api-version", "1.41").end());
    const path = join(tempTree(), "docker.sock");
    await once(server.listen(path), "listening");
    onTestFinished(() => void server.close().closeAllConnections());
    const connected = once(server, "connection");
    await using docker = await DockerClient.connect({ DOCKER_HOST: `unix://${path}` });
    const [socket] = await connected;
    server.closeAllConnections();
    await once(socket, "close");
    expect(await docker.version(new AbortController().signal)).toBe("1.41");
  },
);

test("IDs without an algorithm, as podman writes them, are accepted", async () => {
  const { api, output, run } = await scene({ ...CLASSIC, leavesOutAlgorithm: true });
  const { exitCode, stdout } = await run("app");
  expect(exitCode).toBe(0);
  const id = api.loads[0]?.configDigest.slice("sha256:".length) ?? "";
  expect(stdout).toContain(`*** Images (${id.slice(0, 12)}):\n`);
  expect(readFileSync(join(output.root, "report.toml"), "utf8")).toContain(`image-id = "${id}"`);
});

test("an endless error message of a daemon is truncated", async () => {
  let sent = 0;
  const server = createServer((_request, response) => {
    response.writeHead(500);
    const chunk = Buffer.alloc(1 << 20, "x");
    const endless = function* () {
      for (; ; sent += chunk.length) yield chunk;
    };
    pipeline(Readable.from(endless()), response, () => undefined);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close().closeAllConnections());
  const { runWith } = await scene(CLASSIC);
  const { port } = server.address() as AddressInfo;
  const run = await runWith({ DOCKER_HOST: `tcp://127.0.0.1:${port}` }, "app");
  expect(run).toMatchObject({
    exitCode: expect.any(Number),
    stderr: expect.stringContaining("Error response from daemon: xxx"),
  });
  expect(run.stderr.length).toBeLessThan(1 << 20);
  expect(sent).toBeLessThan(32 << 20);
});

test("run image labels of more than 16 MiB are kept", async () => {
  const label = "x".repeat(17 << 20);
  const { api, run } = await scene({ ...CLASSIC, labels: { label } });
  expect(await run("app")).toMatchObject({ exitCode: 0 });
  expect(api.loads[0]?.config.config.Labels.label === label).toBe(true);
});
