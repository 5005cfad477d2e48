import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test, vi } from "vitest";
import { ROOT } from "../../../scripts/script.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { parseSpans, type ReadSpan, readSpans } from "../../support/output/telemetry.ts";
import { findProgram } from "../../support/process/find-program.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { WAIT } from "../../support/runner/time-limits.ts";
import { Scene } from "../../support/scenes/scene.ts";

const CONFIGURATION = join(ROOT, "deploy", "opentelemetry", "collector.yaml");
const program = findProgram("otelcol-contrib", "OTELCOL");

/** A backend that keeps the bodies it receives, by path. */
async function startBackend() {
  const bodies = new Map<string, string[]>();
  const server = createServer(async (request, response) => {
    const path = request.url ?? "";
    bodies.set(path, [...(bodies.get(path) ?? []), await text(request)]);
    response.setHeader("content-type", "application/json");
    response.end("{}");
  }).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, "listening");
  return { bodies, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Replaces the paths of a real machine, the backend's encoding, and waits. */
function overrides(root: string): string {
  return `extensions:
  file_storage: { directory: ${root}/store }
receivers:
  otlpjsonfile: { include: ["${root}/builds/*/tracing/lifecycle/*.jsonl"] }
connectors:
  spanmetrics: { metrics_flush_interval: 200ms }
exporters:
  otlphttp: { encoding: json, compression: none }
service:
  telemetry: { metrics: { level: none } }
`;
}

test.skipIf(program === undefined)(
  `the collector takes the example's configuration and delivers every span${program === undefined ? " (OTELCOL is not set)" : ""}`,
  async () => {
    const scene = await Scene.open(await FakeRegistry.start());
    expect(await scene.export({ flags: ["-parallel", "-telemetry"] })).toMatchObject({ exitCode: 0 });
    const root = tempTree();
    cpSync(join(scene.output.layersDir, "tracing"), join(root, "builds/1/tracing"), { recursive: true });
    const written = readSpans(join(root, "builds/1/tracing/lifecycle/export.jsonl"));
    writeFileSync(join(root, "overrides.yaml"), overrides(root));
    const { bodies, url } = await startBackend();
    const configurations = ["--config", CONFIGURATION, "--config", join(root, "overrides.yaml")];
    const collector = spawn(program ?? "", configurations, {
      env: { OTLP_ENDPOINT: url, ENVIRONMENT: "test" },
      stdio: ["ignore", "ignore", "inherit"],
    });
    onTestFinished(async () => {
      if (collector.exitCode === null && collector.kill()) await once(collector, "exit");
    });
    const delivered = (): readonly ReadSpan[] => (bodies.get("/v1/traces") ?? []).flatMap(parseSpans);
    await vi.waitUntil(() => delivered().length >= written.length, WAIT);
    const comparable = (spans: readonly ReadSpan[]) =>
      spans.map(({ resource: _, ...span }) => span).sort((a, b) => (a.spanId < b.spanId ? -1 : 1));
    expect(comparable(delivered())).toEqual(comparable(written));
    for (const { resource } of delivered()) expect(resource).toMatchObject({ "deployment.environment.name": "test" });
    // It sends nothing before it has spans.
    const metrics = () => (bodies.get("/v1/metrics") ?? []).join("\n");
    const names = ["build.duration", "build.calls", "layer.kind", "buildpack-id"];
    await vi.waitUntil(() => names.every((name) => metrics().includes(`"${name}"`)), WAIT);
  },
);
