import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BUILD_USER } from "../../support/build/builder.ts";
import { FakeBuild, PHASES } from "../../support/creator/fake-build.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { type ReadSpan, readSpans } from "../../support/output/telemetry.ts";

const isRoot = process.getuid?.() === 0;

function tracing({ output }: FakeBuild, ...path: readonly string[]): string {
  return join(output.layersDir, "tracing", ...path);
}

/** Names of the spans directly below one, in the order of their start. */
function childrenOf(spans: readonly ReadSpan[], parent: ReadSpan | undefined): readonly ReadSpan[] {
  return spans.filter(({ parentSpanId }) => parentSpanId === parent?.spanId).toSorted((a, b) => a.startMs - b.startMs);
}

test("create.jsonl has spans for the phases and the export, and each phase gets its span as parent", async () => {
  const build = await FakeBuild.open();
  const env = { CNB_OTEL_TRACEPARENT: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" };
  expect(await build.create({ flags: ["-telemetry"], env })).toMatchObject({ exitCode: 0 });
  const path = tracing(build, "lifecycle", "create.jsonl");
  const spans = readSpans(path);
  const root = spans.find(({ name }) => name === "create");
  expect(root).toMatchObject({ traceId: "4bf92f3577b34da6a3ce929d0e0e4736", parentSpanId: "00f067aa0ba902b7" });
  const phases = childrenOf(spans, root);
  expect(phases.map(({ name }) => name)).toEqual(["analyze", "detect", "restore", "build", "export"]);
  for (const [i, phase] of PHASES.entries())
    expect(build.call(phase)?.env.CNB_OTEL_TRACEPARENT).toBe(`00-${root?.traceId}-${phases[i]?.spanId}-01`);
  const names = childrenOf(spans, phases[4]).map(({ name }) => name);
  expect(new Set(names)).toEqual(new Set(["app-image", "layer"]));
  expect(existsSync(tracing(build, "lifecycle", "export.jsonl"))).toBe(false);
  const text = readFileSync(path, "utf8");
  for (const secret of [build.registry.host, build.output.root, "jdk", "app:latest"])
    expect(text).not.toContain(secret);
});

test("spans are written during the build, and that of a failed phase has the error", async () => {
  const build = await FakeBuild.open();
  build.script("builder", `cp ${tracing(build, "lifecycle", "create.jsonl")} "$FAKE_DIR/seen"\nexit 51`);
  expect(await build.create({ flags: ["-telemetry"] })).toMatchObject({ exitCode: 51 });
  expect(build.record("seen").match(/"name":"(analyze|detect|restore)"/g)).toHaveLength(3);
  const spans = readSpans(tracing(build, "lifecycle", "create.jsonl"));
  const failed = { failure: "EXPORT_PHASE_FAILED" };
  expect(spans.find(({ name }) => name === "build")).toMatchObject({
    ...failed,
    attributes: { "phase.exit_code": 51 },
  });
  expect(spans.find(({ name }) => name === "create")).toMatchObject(failed);
  expect(spans.find(({ name }) => name === "restore")).toMatchObject({ failure: undefined });
});

test("without -telemetry phases get the platform's traceparent", async () => {
  const build = await FakeBuild.open();
  expect(await build.create({ env: { CNB_OTEL_TRACEPARENT: "given" } })).toMatchObject({
    exitCode: 0,
    stderr: expect.not.stringContaining("TRACEPARENT"),
  });
  expect(build.call("builder")?.env.CNB_OTEL_TRACEPARENT).toBe("given");
  expect(existsSync(tracing(build))).toBe(false);
});

test.runIf(isRoot)("the directory belongs to the build's user, who may add files", async () => {
  const build = await FakeBuild.open();
  build.script("builder", `mkdir ${tracing(build, "buildpacks")}`);
  expect(await build.create({ flags: ["-telemetry"] })).toMatchObject({ exitCode: 0 });
  for (const path of [tracing(build), tracing(build, "lifecycle"), tracing(build, "lifecycle", "create.jsonl")])
    expect(statSync(path)).toMatchObject({ uid: BUILD_USER.uid, gid: BUILD_USER.gid });
});

test.runIf(isRoot)("root follows no link that a build left in the layers directory", async () => {
  const build = await FakeBuild.open();
  // Only root may write there.
  const secret = tempTree({ "lifecycle/create.jsonl": "" });
  const before = statSync(join(secret, "lifecycle/create.jsonl")).size;
  mkdirSync(tracing(build));
  symlinkSync(join(secret, "lifecycle"), tracing(build, "lifecycle"));
  const run = await build.create({ flags: ["-telemetry"] });
  expect(run).toMatchObject({ exitCode: 0 });
  expect(run.stderr).toMatch(/Failed to write telemetry: mkdir .*\/tracing\/lifecycle: not a directory\n/);
  expect(statSync(join(secret, "lifecycle/create.jsonl")).size).toBe(before);
});

test("a buildpack whose layers directory is the telemetry directory ends the build after its detection", async () => {
  const build = await FakeBuild.open();
  const group = join(build.output.layersDir, "group.toml");
  appendFileSync(group, '[[group]]\nid = "tracing"\nversion = "1"\napi = "0.10"\n');
  const run = await build.create({ flags: ["-telemetry"] });
  expect(run.exitCode).toBe(1);
  expect(run.stderr).toContain("buildpack 'tracing' has its layers where -telemetry writes\n");
  expect(build.called).toEqual(["analyzer", "detector"]);
});

test("telemetry that cannot be written does not fail the build", async () => {
  const build = await FakeBuild.open();
  writeFileSync(tracing(build), "");
  const run = await build.create({ flags: ["-telemetry", "-no-color"] });
  expect(run).toMatchObject({ exitCode: 0 });
  expect(run.stderr.match(/Warning: Failed to write telemetry: /g)).toHaveLength(1);
});
