import { expect, test } from "vitest";
import { Fault } from "../../../../src/errors/fault.ts";
import { registerSecret } from "../../../../src/errors/secrets.ts";
import { Monitor } from "../../../../src/observe/monitor.ts";
import { ExportSpans } from "../../../../src/observe/telemetry/export-spans.ts";
import { Telemetry } from "../../../../src/observe/telemetry/telemetry.ts";
import { parseSpans, type ReadSpan } from "../../../support/output/telemetry.ts";

const SETTINGS = {
  ...{ daemon: false, layout: false, parallel: true, cacheImage: "reg.example/cache", cacheDir: "" },
  tuning: { workers: 2, compression: "gzip", compressionLevel: 1 },
} as const;
const PLAN = { destination: "reg.example/app", image: "app", layer: "a/b:jdk", unit: "blob" } as const;
const TIMES = { thread: 1, startMs: 0, readMs: 0, endMs: 0 };

/** A recording with manual clocks, from 1,000,000,000,000 ms on; those of threads count from 0. */
function recorded({ hasNames = false, version = Promise.resolve("1.2.3") } = {}) {
  const clock = { ms: 0 };
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line), failure: undefined, close: () => undefined };
  const telemetry = new Telemetry(sink, {
    context: { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", parentId: "", flags: 1 },
    ...{ hasNames, platformApi: "0.13", lifecycleVersion: version },
    now: () => 1e12 + clock.ms,
  });
  const spans = new ExportSpans(telemetry.start("export"), SETTINGS, () => clock.ms);
  const monitor = new Monitor(
    (event) => spans.event(event),
    () => clock.ms,
    undefined,
    spans,
  );
  const read = (): readonly ReadSpan[] => lines.flatMap(parseSpans);
  const one = (name: string) => read().find((span) => span.name === name);
  return { clock, telemetry, spans, monitor, read, one, known: () => version.then(() => undefined) };
}

/** [start, end] in ms since the export began. */
const timesOf = (span: ReadSpan | undefined) => span && [span.startMs - 1e12, span.endMs - 1e12];

test("a layer's stages go from the first to the last block", async () => {
  const { clock, monitor, one, read, known } = recorded();
  await known();
  const work = monitor.layer("a/b:jdk");
  work.begin(2048, ["diff-id", "blob"]);
  for (const start of [10, 30])
    work.block({
      ...{ length: 1024, outputLength: 9 },
      times: { thread: 1, startMs: start, readMs: start + 3, endMs: start + 10 },
    });
  clock.ms = 50;
  for (const [startMs, endMs] of [
    [20, 21],
    [45, 49],
  ] as const)
    for (const kind of ["diff-id", "blob"] as const) work.digested(kind, { thread: 2, startMs, endMs });
  expect(read()).toEqual([]);
  work.built({ diffId: "sha256:d", blob: { sha256: "b", size: 18 } });
  expect(timesOf(one("layer"))).toEqual([0, 50]);
  expect(one("layer")?.attributes).toEqual({
    ...{ "layer.kind": "buildpack", "buildpack-id": "a/b", "layer.tar_bytes": 2048, "layer.blob_bytes": 18 },
    "layer.makes": ["diff-id", "blob"],
  });
  expect(["read", "compress", "hash", "hash-blob"].map((stage) => timesOf(one(`layer-${stage}`)))).toEqual([
    ...[
      [10, 33],
      [13, 40],
      [20, 49],
      [20, 49],
    ],
  ]);
  expect(one("layer-compress")?.attributes["layer.busy_ms"]).toBe(14);
  expect(one("layer-hash")?.parentSpanId).toBe(one("layer")?.spanId);
});

test("each pass over a layer has a span, and one that fails says why", async () => {
  const { clock, monitor, read, known } = recorded();
  await known();
  const work = monitor.layer("a/b:jdk");
  work.begin(1024, ["diff-id"]);
  work.built({ diffId: "sha256:d", blob: undefined });
  clock.ms = 10;
  work.begin(1024, ["blob"]);
  work.block({ length: 1, outputLength: 0, times: TIMES });
  work.fail(new Fault("EXPORT_LAYER_CHANGED", "contents of layer 'a/b:jdk' changed"));
  expect(read().map(({ name, failure }) => [name, failure])).toEqual([
    ["layer", undefined],
    ["layer-read", undefined],
    ["layer", "EXPORT_LAYER_CHANGED"],
  ]);
});

test("an upload tells its wait, its retries and that it resumed; a mount and a find take as long as they did", async () => {
  const { clock, monitor, read, one, known } = recorded();
  await known();
  const [upload, mount, find] = [PLAN, PLAN, { ...PLAN, layer: undefined }].map((plan) => monitor.transfer(plan));
  clock.ms = 5;
  upload?.begin();
  upload?.retry(new Fault("EXPORT_REGISTRY_DENIED", "reg.example is down"), 12.5);
  clock.ms = 9;
  upload?.begin(100);
  mount?.done("sha256:d", 200, "mounted");
  find?.done("sha256:e", 300, "existing");
  upload?.done("sha256:f", 400, "uploaded");
  expect(timesOf(one("upload"))).toEqual([5, 9]);
  expect(one("upload")).toMatchObject({
    kind: "client",
    attributes: { "upload.wait_ms": 5, "upload.bytes": 400, "upload.sent_bytes": 400, "upload.outcome": "uploaded" },
    events: [
      { name: "retry", attributes: { "error.type": "EXPORT_REGISTRY_DENIED", "retry.wait_ms": 12.5 } },
      { name: "resumed", attributes: { "upload.offset_bytes": 100 } },
    ],
  });
  expect([timesOf(one("mount")), timesOf(one("find"))]).toEqual([
    [0, 9],
    [0, 9],
  ]);
  expect(one("find")?.attributes["layer.kind"]).toBe("run-image");
  expect(JSON.stringify(read())).not.toMatch(/reg\.example|jdk|sha256/);
});

test("a failure ends all that is open, by its kind only; the cache's does not fail the app image", async () => {
  const { monitor, spans, read, one, known } = recorded();
  await known();
  monitor.cacheBegan();
  monitor.cacheFailed(Object.assign(new Error("open /secret: no"), { code: "ENOSPC", syscall: "open" }));
  monitor.transfer(PLAN).begin();
  monitor.layer("slice-1").begin(1, ["blob"]);
  monitor.retried(new Error("reg.example"), 1);
  spans.end(new Fault("EXPORT_CANCELLED", "reg.example was stopped"));
  expect(one("cache")?.failure).toBe("ENOSPC");
  for (const name of ["upload", "layer", "app-image", "export"]) expect(one(name)?.failure).toBe("EXPORT_CANCELLED");
  expect(one("layer")?.attributes["layer.kind"]).toBe("app");
  expect(one("export")?.events).toEqual([
    { name: "retry", attributes: { "error.type": "EXPORT_INTERNAL", "retry.wait_ms": 1 } },
  ]);
  expect(JSON.stringify(read())).not.toMatch(/reg\.example|secret/);
});

test("with names a failure says its message", async () => {
  const { spans, one, known } = recorded({ hasNames: true });
  await known();
  spans.end(new Fault("EXPORT_REGISTRY_DENIED", "403 of reg.example"));
  expect(one("export")).toMatchObject({
    failure: "403 of reg.example",
    attributes: { "error.type": "EXPORT_REGISTRY_DENIED" },
  });
});

test("spans wait for the lifecycle's version, and closing waits for them", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const { spans, telemetry, read } = recorded({ version: promise });
  spans.end(undefined);
  expect(read()).toEqual([]);
  const closed = telemetry.close();
  resolve("0.21.0");
  expect(await closed).toBeUndefined();
  expect(read().map(({ name }) => name)).toEqual(["app-image", "export"]);
  for (const { resource } of read()) expect(resource).toMatchObject({ "lifecycle.version": "0.21.0" });
});

test("spans do not show a secret that an error repeats", async () => {
  registerSecret("secret-of-a-span");
  const { spans, known, one } = recorded({ hasNames: true });
  spans.end(new Error("you sent secret-of-a-span"));
  await known();
  expect(JSON.stringify(one("export"))).toContain("you sent [redacted]");
});
