import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type BuildOutput, writeAnalyzed, writeBuildOutput } from "../../support/build/build-output.ts";
import { DockerApi } from "../../support/daemon/docker-api.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { type ReadSpan, readSpans } from "../../support/output/telemetry.ts";
import { flagsFor } from "../../support/process/exporter.ts";
import { refusal } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { exportInProcess } from "../../support/scenes/export-in-process.ts";
import { LayoutScene } from "../../support/scenes/layout-scene.ts";
import { Scene } from "../../support/scenes/scene.ts";

const PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

function telemetryPath({ layersDir }: BuildOutput, phase = "export"): string {
  return join(layersDir, "tracing", "lifecycle", `${phase}.jsonl`);
}

function named(spans: readonly ReadSpan[], name: string): readonly ReadSpan[] {
  return spans.filter((span) => span.name === name);
}

/** Fails unless all spans are descendants of the export's first span, in its trace. */
function expectOneTree(spans: readonly ReadSpan[], root: ReadSpan): void {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  expect(ids.size).toBe(spans.length);
  for (const span of spans) {
    expect(span.traceId).toBe(root.traceId);
    expect(span.endMs).toBeGreaterThanOrEqual(span.startMs);
    if (span !== root) expect(ids).toContain(span.parentSpanId);
  }
}

/** Every private name in the export: images, hosts, directories, layers, digests. */
function secretsOf(scene: Scene, texts: readonly string[]): string[] {
  const { output, app, cache, runImage } = scene;
  const images = [scene.appImage, scene.cacheImage, runImage, app.host, cache.host, "cache:latest", "app:latest"];
  const paths = [output.root, output.layersDir, output.appDir, output.launcher, "samples_java", "index.html", "jdk"];
  const digests = texts.flatMap((text) => text.match(/[\da-f]{64}/g) ?? []);
  return [...images, ...paths, "libraries", "maven", ...digests];
}

test("an export to registries writes a span for each operation, without any names", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start(), await FakeRegistry.start());
  const run = await scene.export({ flags: ["-parallel", "-telemetry"] });
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  const path = telemetryPath(scene.output);
  const spans = readSpans(path);
  const [root] = named(spans, "export");
  expect(root).toMatchObject({ parentSpanId: "", failure: undefined });
  expectOneTree(spans, root as ReadSpan);
  expect(root?.attributes).toMatchObject({
    "export.destination": "registry",
    "export.cache": "registry",
    "export.parallel": true,
  });
  expect(root?.resource).toMatchObject({
    "service.name": "tandem",
    "lifecycle.version": "0.0.0",
    "platform.api": "0.13",
  });
  // jdk, libraries, SBOM, app, launcher, config, process-types; maven is the cache's.
  const layers = named(spans, "layer");
  expect(layers).toHaveLength(8);
  const buildpacks = layers.filter(({ attributes }) => attributes["layer.kind"] === "buildpack");
  expect(buildpacks.map(({ attributes }) => attributes["buildpack-id"])).toEqual(Array(3).fill("samples/java"));
  for (const { spanId } of layers) {
    const stages = spans.filter(({ parentSpanId }) => parentSpanId === spanId).map(({ name }) => name);
    expect(stages.sort()).toEqual(["layer-compress", "layer-hash", "layer-hash-blob", "layer-read"]);
  }
  const [app, cache] = ["app-image", "cache"].map((name) => named(spans, name)[0]);
  for (const upload of named(spans, "upload")) {
    const side = upload.attributes["upload.image"] === "app" ? app : cache;
    expect(upload).toMatchObject({ parentSpanId: side?.spanId, kind: "client" });
    expect(upload.attributes["upload.sent_bytes"]).toBe(upload.attributes["upload.bytes"]);
  }
  expect(named(spans, "mount").map(({ attributes }) => attributes["layer.kind"])).toEqual(["run-image"]);
  const text = readFileSync(path, "utf8");
  for (const secret of secretsOf(scene, [JSON.stringify(run.events), run.stdout])) expect(text).not.toContain(secret);
});

test("-telemetry-names adds names", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  expect(await scene.export({ flags: ["-telemetry", "-telemetry-names"] })).toMatchObject({ exitCode: 0 });
  const spans = readSpans(telemetryPath(scene.output));
  const { digest, layers } = await verifyImage(scene.appImage);
  expect(named(spans, "app-image")[0]?.attributes).toMatchObject({
    "image.digest": digest,
    "image.tags": [scene.appImage],
  });
  expect(spans.map(({ attributes }) => attributes["layer.id"])).toContain("samples/java:jdk");
  expect(spans.map(({ attributes }) => attributes["upload.digest"])).toContain(layers[1]?.digest);
  expect(spans.map(({ attributes }) => attributes["upload.destination_name"])).toContain(`${scene.app.host}/app`);
});

test("without -telemetry no directory is created", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const env = { CNB_OTEL_TRACEPARENT: "not one" };
  expect(await scene.export({ flags: ["-telemetry-names"], env })).toMatchObject({ exitCode: 0, stderr: "" });
  expect(existsSync(join(scene.output.layersDir, "tracing"))).toBe(false);
});

test("CNB_OTEL_TRACEPARENT is the parent, and lines are appended", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const env = { CNB_EXPORT_TELEMETRY: "true", CNB_OTEL_TRACEPARENT: PARENT };
  const [path, earlier] = [telemetryPath(scene.output), '{"resourceSpans":[]}\n'];
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, earlier);
  expect(await scene.export({ env })).toMatchObject({ exitCode: 0 });
  const [, traceId, parentSpanId] = PARENT.split("-");
  expect(readFileSync(path, "utf8").startsWith(earlier)).toBe(true);
  const [root] = named(readSpans(path), "export");
  expect(root).toMatchObject({ traceId, parentSpanId, flags: 0x301 });
  expect(await scene.export({ env })).toMatchObject({ exitCode: 0 });
  expect(named(readSpans(path), "export")).toHaveLength(2);
});

test("an invalid CNB_OTEL_TRACEPARENT is a warning, and a trace of its own begins", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const run = await scene.export({ flags: ["-telemetry"], env: { CNB_OTEL_TRACEPARENT: PARENT.toUpperCase() } });
  expect(run).toMatchObject({ exitCode: 0 });
  expect(run.stderr).toBe("Warning: Ignoring CNB_OTEL_TRACEPARENT, which is not a valid traceparent\n");
  const [root] = named(readSpans(telemetryPath(scene.output)), "export");
  expect(root).toMatchObject({ parentSpanId: "", flags: 0x101 });
  expect(root?.traceId).not.toBe(PARENT.split("-")[1]);
});

test("files have mode 664 and directories 775, whatever the umask", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  expect(await scene.export({ flags: ["-telemetry"] })).toMatchObject({ exitCode: 0 });
  const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
  const path = telemetryPath(scene.output);
  expect([path, join(path, ".."), join(path, "../..")].map(modeOf)).toEqual(["664", "775", "775"]);
});

test("a failed export has the error's code, and a retry is an event of its upload's span", async () => {
  const app = await FakeRegistry.start();
  const scene = await Scene.openSmall(app);
  // More than once: the config's upload, which has no span of its own, may be the first.
  app.faults.add({
    method: "PATCH",
    target: /./,
    times: 4,
    action: { answer: refusal(500, "UNKNOWN", `${app.host} is broken`) },
  });
  app.faults.add({
    method: "PUT",
    target: /app\/manifests/,
    times: 9,
    action: { answer: refusal(403, "DENIED", `no ${app.host}`) },
  });
  expect((await scene.export({ flags: ["-telemetry"] })).exitCode).toBe(62);
  const spans = readSpans(telemetryPath(scene.output));
  const [root] = named(spans, "export");
  expect(root?.failure).toMatch(/^EXPORT_REGISTRY_/);
  expect(root?.attributes["error.type"]).toBe(root?.failure);
  expect(named(spans, "app-image")[0]?.failure).toBe(root?.failure);
  const retries = spans.flatMap(({ name, events }) => events.map((event) => ({ span: name, ...event })));
  expect(retries).toContainEqual({
    span: "upload",
    name: "retry",
    attributes: { "error.type": expect.stringMatching(/^EXPORT_REGISTRY_/), "retry.wait_ms": expect.any(Number) },
  });
  expect(readFileSync(telemetryPath(scene.output), "utf8")).not.toContain(app.host);
});

test.for(["link", "file", "directory", "fifo", "app"] as const)(
  "telemetry that cannot be written is one warning: %s",
  async (how) => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const tracing = join(scene.output.layersDir, "tracing");
    const elsewhere = tempTree({ "lifecycle/other": "" });
    if (how === "link") symlinkSync(elsewhere, tracing);
    if (how === "file") writeFileSync(tracing, "");
    if (how === "directory") mkdirSync(join(tracing, "lifecycle", "export.jsonl"), { recursive: true });
    if (how === "fifo") {
      mkdirSync(join(tracing, "lifecycle"), { recursive: true });
      execFileSync("mkfifo", [join(tracing, "lifecycle", "export.jsonl")]);
    }
    const flags = how === "app" ? ["-app", scene.output.layersDir] : [];
    const run = await scene.export({ flags: ["-telemetry", ...flags] });
    expect(run).toMatchObject({ exitCode: 0 });
    expect(run.stderr.match(/Warning: /g)).toHaveLength(1);
    expect(run.stderr).toContain(`Warning: Failed to write telemetry: `);
    expect(run.stderr).toContain(tracing);
    expect(existsSync(join(elsewhere, "lifecycle", "export.jsonl"))).toBe(false);
    if (how === "app") expect(existsSync(tracing)).toBe(false);
  },
);

test.for([
  { signal: "SIGTERM", hasRoot: true },
  { signal: "SIGKILL", hasRoot: false },
] as const)("$signal leaves whole lines of all that had ended", async ({ signal, hasRoot }) => {
  const app = await FakeRegistry.start();
  const scene = await Scene.openSmall(app);
  const arrived = app.faults.hold({ method: "PUT", target: /app\/manifests/ });
  const { running } = scene.start({ flags: ["-telemetry"] });
  await arrived;
  running.process.kill(signal);
  await running.ended;
  const spans = readSpans(telemetryPath(scene.output));
  expect(named(spans, "layer")).toHaveLength(7);
  const unfinished = [...named(spans, "app-image"), ...named(spans, "export")];
  expect(unfinished.map(({ failure }) => failure)).toEqual(hasRoot ? ["EXPORT_CANCELLED", "EXPORT_CANCELLED"] : []);
});

test("a buildpack whose layers directory is the telemetry directory is rejected", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const { layersDir } = scene.output;
  const group = (id: string) => `[[group]]\nid = "${id}"\nversion = "1"\napi = "0.10"\n`;
  writeFileSync(join(layersDir, "group.toml"), group("samples/java") + group("tracing"));
  const run = await scene.export({ flags: ["-telemetry"] });
  expect(run.exitCode).toBe(1);
  expect(run.stderr).toContain("ERROR: buildpack 'tracing' has its layers where -telemetry writes\n");
  expect(await scene.export()).toMatchObject({ exitCode: 0 });
});

test("telemetry does not change the image", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const env = { SOURCE_DATE_EPOCH: "1" };
  expect(await scene.export({ env })).toMatchObject({ exitCode: 0 });
  const digests = async () =>
    [await verifyImage(scene.appImage), await verifyImage(scene.cacheImage)].map(({ digest }) => digest);
  const before = await digests();
  for (let i = 0; i < 2; i++) expect(await scene.export({ env, flags: ["-telemetry"] })).toMatchObject({ exitCode: 0 });
  expect(await digests()).toEqual(before);
});

test("layout: layers are written to a layout", async () => {
  const scene = await LayoutScene.open();
  expect(await scene.export("-telemetry", "app")).toMatchObject({ exitCode: 0 });
  const spans = readSpans(telemetryPath(scene.output));
  expectOneTree(spans, named(spans, "export")[0] as ReadSpan);
  expect(
    new Set(named(spans, "upload").map(({ attributes, kind }) => [attributes["upload.destination"], kind].join())),
  ).toEqual(new Set(["layout,internal"]));
  expect(readFileSync(telemetryPath(scene.output), "utf8")).not.toContain(scene.root);
});

test("daemon: a pass that makes only a stream has a span too", async () => {
  const [api, host] = await DockerApi.start({ apiVersion: "1.41", storage: "classic", knowsBase: true });
  onTestFinished(() => api[Symbol.asyncDispose]());
  const from = tempTree({ "jdk/java": "java\n", "app/index.html": "<p>hello</p>\n" });
  const layers = { jdk: { from: [join(from, "jdk")], launch: true, cache: true } };
  const output = writeBuildOutput(tempTree(), layers, [join(from, "app")]);
  writeAnalyzed(output, "run");
  const cacheDir = tempTree();
  const args = [...flagsFor(output), "-daemon", "-cache-dir", cacheDir, "-telemetry", "app"];
  expect(await exportInProcess(args, { DOCKER_HOST: host })).toMatchObject({ exitCode: 0 });
  const text = readFileSync(telemetryPath(output), "utf8");
  const spans = readSpans(telemetryPath(output));
  expectOneTree(spans, named(spans, "export")[0] as ReadSpan);
  expect(named(spans, "layer").length).toBeGreaterThanOrEqual(6);
  expect(spans.every(({ failure }) => failure === undefined)).toBe(true);
  const kinds = new Set(named(spans, "upload").map(({ attributes }) => attributes["upload.destination"]));
  expect(kinds).toEqual(new Set(["daemon", "directory"]));
  for (const secret of [cacheDir, output.root, host, "jdk", api.loadedId]) expect(text).not.toContain(secret);
});
