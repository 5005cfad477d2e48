import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { expect, onTestFinished, test } from "vitest";
import { type BuildOutput, writeAnalyzed, writeBuildOutput } from "../../support/build/build-output.ts";
import { FakeBuild } from "../../support/creator/fake-build.ts";
import { DockerApi } from "../../support/daemon/docker-api.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyLayout } from "../../support/images/layout.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { flagsFor, readEvents } from "../../support/process/exporter.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { exportInProcess } from "../../support/scenes/export-in-process.ts";
import { LayoutScene } from "../../support/scenes/layout-scene.ts";
import { Scene } from "../../support/scenes/scene.ts";

const FLAG = "-report-run-image";
const NAMES = { image: "reg.example/run:1", mirrors: ["mirror.example/run:1", "other.example/run:1"] };

function writeNames({ root }: BuildOutput, names: Readonly<Record<string, unknown>> = NAMES): void {
  const keys = Object.entries(names).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
  writeFileSync(join(root, "run.toml"), `[[images]]\n${keys.join("")}`);
  writeFileSync(join(root, "stack.toml"), `[run-image]\n${keys.join("")}`);
}

function readReport({ layersDir }: BuildOutput) {
  return parse(readFileSync(join(layersDir, "report.toml"), "utf8")) as { image: Readonly<Record<string, unknown>> };
}

function labeled(labels: Readonly<Record<string, string>>) {
  const { runImage } = JSON.parse(labels["io.buildpacks.lifecycle.metadata"] ?? "{}");
  return { "top-layer": runImage.topLayer, reference: runImage.reference };
}

test("registry: report and event have the label's run image and the names of run.toml", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  writeNames(scene.output);
  const run = await scene.export({ cache: "", flags: [FLAG] });
  expect(run).toMatchObject({ exitCode: 0 });
  const { "top-layer": topLayer, reference } = labeled((await verifyImage(scene.appImage)).labels);
  expect(reference).toBe(scene.runImage);
  expect(readReport(scene.output).image["run-image"]).toEqual({ "top-layer": topLayer, reference, ...NAMES });
  const runImage = { topLayer, reference, ...NAMES };
  expect(run.events).toContainEqual(expect.objectContaining({ event: "app-image-ready", runImage }));
});

test("without the flag the report is the reference's, and the event has the run image", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  writeNames(scene.output);
  const run = await scene.export({ cache: "" });
  expect(Object.keys(readReport(scene.output).image)).toEqual(["tags", "digest", "manifest-size"]);
  const runImage = expect.objectContaining({ reference: scene.runImage, ...NAMES });
  expect(run.events).toContainEqual(expect.objectContaining({ event: "app-image-ready", runImage }));
});

test("below Platform API 0.12 the names are those of stack.toml", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  writeNames(scene.output);
  const [flag, path] = ["-stack", join(scene.output.root, "stack.toml")];
  const args = scene.arguments({ cache: "", flags: [FLAG, flag, path] });
  // Without the flags that 0.9 lacks.
  const known = args.filter(
    (arg, i) => !["-run", "-launcher-sbom"].some((name) => arg === name || args[i - 1] === name),
  );
  const run = await exportInProcess(known, { CNB_PLATFORM_API: "0.9" });
  expect(run).toMatchObject({ exitCode: 0 });
  expect(readReport(scene.output).image["run-image"]).toMatchObject({ reference: scene.runImage, ...NAMES });
});

test("layout: the reference is the run image's in its layout", async () => {
  const scene = await LayoutScene.open();
  writeNames(scene.output);
  expect(await scene.export(FLAG, "app")).toMatchObject({ exitCode: 0 });
  const label = labeled(verifyLayout(scene.pathOf()).labels);
  expect(label.reference).toBe(scene.runImage);
  expect(readReport(scene.output).image["run-image"]).toEqual({ ...label, ...NAMES });
});

test("daemon: the reference is the image ID", async () => {
  const [api, host] = await DockerApi.start({ apiVersion: "1.41", storage: "classic", knowsBase: true });
  onTestFinished(() => api[Symbol.asyncDispose]());
  const from = tempTree({ "app/index.html": "<p>hello</p>\n" });
  const output = writeBuildOutput(tempTree(), {}, [join(from, "app")]);
  writeAnalyzed(output, "run");
  writeNames(output);
  const events = join(output.root, "events.jsonl");
  const args = [...flagsFor(output), "-daemon", "-events", events, FLAG, "app"];
  expect(await exportInProcess(args, { DOCKER_HOST: host })).toMatchObject({ exitCode: 0 });
  const reference = api.runImageId.slice("sha256:".length);
  const topLayer = api.loads[0]?.config.rootfs.diff_ids[0];
  expect(readReport(output).image["run-image"]).toEqual({ "top-layer": topLayer, reference, ...NAMES });
  const runImage = { topLayer, reference, ...NAMES };
  expect(readEvents(events)).toContainEqual(expect.objectContaining({ event: "app-image-ready", runImage }));
});

test("mirrors that do not fit into a termination message are left out of it with a warning, but not out of the event", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const mirrors = Array.from({ length: 100 }, (_, i) => `mirror-${i}.example/a/repository/with/a/long/name/run:1`);
  writeNames(scene.output, { ...NAMES, mirrors });
  const run = await scene.export({ cache: "", env: { CNB_EXPORT_REPORT_RUN_IMAGE: "true" } });
  expect(run).toMatchObject({ exitCode: 0 });
  const report = readFileSync(join(scene.output.layersDir, "report.toml"));
  expect(report.length).toBeLessThanOrEqual(4096);
  const kept = /mirrors = \[(.*)\]/.exec(report.toString())?.[1]?.split(", ").length ?? 0;
  expect(run.stderr).toContain(
    `Warning: Left the last ${100 - kept} of 100 run image mirrors out of report.toml, which must fit into a termination message\n`,
  );
  const runImage = expect.objectContaining({ mirrors });
  expect(run.events).toContainEqual(expect.objectContaining({ event: "app-image-ready", runImage }));
});

test("the creator has the flag too", async () => {
  const build = await FakeBuild.open();
  expect(await build.create({ flags: [FLAG] })).toMatchObject({ exitCode: 0 });
  const label = labeled((await verifyImage(build.image)).labels);
  const image = `${build.registry.host}/run:latest`;
  expect(readReport(build.output).image["run-image"]).toEqual({ ...label, image });
});
