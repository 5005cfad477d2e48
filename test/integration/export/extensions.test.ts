import { appendFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, inflateSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { digestOf } from "../../../src/oci/digest.ts";
import { createdByExtension, type ExtendedLayer, writeExtendedLayout } from "../../support/images/extended-layout.ts";
import { blobFile, verifyLayout } from "../../support/images/layout.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { LayoutScene } from "../../support/scenes/layout-scene.ts";
import { layerWork, Scene, uploadRequests } from "../../support/scenes/scene.ts";

const vectorSchema = z.array(z.object({ name: z.string(), tar: z.string(), diffId: z.string().optional() }));
const vectors = vectorSchema.parse(
  JSON.parse(readFileSync(new URL("../../../fixtures/foreign-tars.json", import.meta.url), "utf8")),
);

/** A tar and the diffID that the reference computes for it. */
function vector(name: string) {
  const found = vectors.find((candidate) => candidate.name === name);
  return { tar: inflateSync(Buffer.from(found?.tar ?? "", "base64")), diffId: found?.diffId ?? "" };
}

const RUN_IMAGES = { blob: Buffer.from("of the run image"), createdBy: "ADD file", isRunImages: true };
const XATTRS = vector("pax: xattrs");
const GNU = vector("gnu: long names and links");
const PLAIN = vector("ustar: every type");
const OTHER = vector("ustar: prefix");
const LAYERS: readonly ExtendedLayer[] = [
  RUN_IMAGES,
  { blob: gzipSync(XATTRS.tar), createdBy: createdByExtension("RUN apt", "samples/apt") },
  { blob: zstdCompressSync(GNU.tar), createdBy: createdByExtension("RUN curl", "samples/curl") },
  { blob: PLAIN.tar, createdBy: createdByExtension("COPY . .", "samples/curl") },
];
const CONFIG = { Env: ["PATH=/extended", "EXTENDED=1"], User: "root", Labels: { "io.buildpacks.rebasable": "true" } };

function extend({ layersDir }: { readonly layersDir: string }, extendsConfig = true): string {
  if (extendsConfig) appendFileSync(join(layersDir, "analyzed.toml"), "extend = true\n");
  return writeExtendedLayout(join(layersDir, "extended"), LAYERS, CONFIG);
}

const configSchema = z.object({
  config: z.object({ User: z.string(), Env: z.array(z.string()) }),
  history: z.array(z.object({ created_by: z.string().default("") })),
});

async function configOf(image: string) {
  const base = `http://${image.replace("/", "/v2/").replace(/:latest$/, "")}`;
  const headers = { accept: "application/vnd.oci.image.manifest.v1+json" };
  const manifest = await (await fetch(`${base}/manifests/latest`, { headers })).json();
  const { digest } = z.object({ config: z.object({ digest: z.string() }) }).parse(manifest).config;
  return configSchema.parse(await (await fetch(`${base}/blobs/${digest}`)).json());
}

describe("an export onto a run image that extensions have extended", () => {
  test("puts their layers below all others and uses their config", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    extend(scene.output);
    const run = await scene.export({ flags: ["-parallel"] });
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    const { layers, labels } = await verifyImage(scene.appImage);
    expect(layers.slice(1, 4).map(({ diffId }) => diffId)).toEqual([XATTRS.diffId, GNU.diffId, PLAIN.diffId]);
    expect(labels["io.buildpacks.rebasable"]).toBe("true");
    const metadata = JSON.parse(labels["io.buildpacks.lifecycle.metadata"] ?? "");
    expect(metadata.runImage).toMatchObject({ topLayer: layers[0]?.diffId, reference: scene.runImage });
    expect(JSON.stringify(metadata)).not.toContain(XATTRS.diffId);
    const { config, history } = await configOf(scene.appImage);
    expect(config.User).toBe("root");
    expect(config.Env.slice(0, 2)).toEqual(["PATH=/cnb/process:/cnb/lifecycle:/extended", "EXTENDED=1"]);
    expect(history.slice(1, 4).map(({ created_by }) => created_by)).toEqual(
      LAYERS.slice(1).map(({ createdBy }) => createdBy),
    );
    expect(run.stdout).not.toContain("extended-layer");
    expect(run.events.flatMap((event) => (event.event === "layer" ? [event.id] : [])).slice(0, 3)).toEqual([
      "samples/apt:extended-layer-1",
      "samples/curl:extended-layer-2",
      "samples/curl:extended-layer-3",
    ]);
  });

  test("keeps the run image's config unless analyzed.toml says that it is extended", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    extend(scene.output, false);
    expect((await scene.export({ cache: "" })).exitCode).toBe(0);
    expect((await verifyImage(scene.appImage)).layers[1]?.diffId).toBe(XATTRS.diffId);
    expect((await configOf(scene.appImage)).config.User).toBe("1000:1000");
  });

  test("rebuilds and pushes changed extension layers without log lines", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    extend(scene.output);
    await scene.export();
    const before = await scene.analyze();
    appendFileSync(join(scene.output.layersDir, "analyzed.toml"), "extend = true\n");
    const unchanged = await scene.export();
    expect(unchanged).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await scene.analyze()).toEqual(before);
    const hashed = { reads: 1, hashes: 1, compressions: 0, uploads: 0 };
    for (const work of Object.values(layerWork(unchanged.events))) expect(work).toEqual(hashed);
    expect(unchanged.stdout).not.toContain("extended-layer");

    const changed = [...LAYERS.slice(0, 3), { blob: OTHER.tar, createdBy: createdByExtension("COPY . .", "x") }];
    const extendedDir = join(scene.output.layersDir, "extended");
    rmSync(extendedDir, { recursive: true });
    writeExtendedLayout(extendedDir, changed, CONFIG);
    const run = await scene.export();
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    const after = (await verifyImage(scene.appImage)).layers.map(({ diffId }) => diffId);
    expect(after).toEqual(before.layers.map(({ diffId }, i) => (i === 3 ? OTHER.diffId : diffId)));
    const work = layerWork(run.events);
    expect(work["extended-layer-2"]).toEqual(hashed);
    expect(work["extended-layer-3"]).toMatchObject({ hashes: 1, compressions: 1, uploads: 1 });
  });

  test("does not compare extension layers with the previous image's other layers", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    await scene.export();
    await scene.analyze();
    extend(scene.output);
    const run = await scene.export();
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    // There is nothing to compare with, so it is compressed in the pass that hashes it.
    const once = { reads: 1, hashes: 1, compressions: 1, uploads: 1 };
    const work = layerWork(run.events);
    for (const number of [1, 2, 3]) expect(work[`extended-layer-${number}`]).toEqual(once);
    expect(work.jdk).toMatchObject({ compressions: 0 });
  });

  test("into a layout adds their layers, but not their config", async () => {
    const scene = await LayoutScene.open();
    extend(scene.output);
    expect(await scene.export("app")).toMatchObject({ exitCode: 0 });
    const { layers, labels } = verifyLayout(scene.pathOf());
    expect(layers.slice(1, 4).map(({ diffId }) => diffId)).toEqual([XATTRS.diffId, GNU.diffId, PLAIN.diffId]);
    expect(labels["io.buildpacks.rebasable"]).toBeUndefined();
  });
});

test.each([-1, 1])("takes a blob whose size in the manifest is off by %i", async (error) => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  writeExtendedLayout(
    join(scene.output.layersDir, "extended"),
    LAYERS.map((layer) => ({ ...layer, size: layer.blob.length + error })),
  );
  expect(await scene.export()).toMatchObject({ exitCode: 0, stderr: "" });
  const { layers } = await verifyImage(scene.appImage);
  expect(layers.slice(1, 4).map(({ diffId }) => diffId)).toEqual([XATTRS.diffId, GNU.diffId, PLAIN.diffId]);
});

describe("a blob that is broken is one clear error, and nothing is published", () => {
  const blob = LAYERS[1]?.blob ?? Buffer.alloc(0);
  const flipped = Buffer.from(blob);
  flipped[40] = (flipped[40] as number) ^ 1;

  test.for([
    { what: "cut", bytes: blob.subarray(0, -30), message: /is corrupt: the file has the digest sha256:/ },
    { what: "changed", bytes: flipped, message: /is corrupt: the file has the digest sha256:/ },
  ])("$what", async ({ bytes, message }) => {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    const file = blobFile(extend(scene.output), digestOf(blob));
    writeFileSync(file, bytes);
    const run = await scene.export({ flags: ["-parallel"] });
    expect(run.exitCode).toBe(62);
    const [line = "", ...more] = run.stderr.split("\n").filter((text) => text.startsWith("ERROR:"));
    expect(more).toEqual([]);
    expect(line).toContain(`ERROR: failed to export: failed to create layer from tar path ${file}: `);
    expect(line).toMatch(message);
    expect(registry.count("PUT", /manifests\/latest$/)).toBe(1 /* the run image's */);
    expect(registry.manifests.find("app", "latest")).toBeUndefined();
    expect(registry.manifests.find("cache", "latest")).toBeUndefined();
  });

  test("a layer that unpacks to more than the limit", async () => {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    const bomb = zstdCompressSync(Buffer.alloc(2 ** 26));
    const many = Buffer.concat([zstdCompressSync(PLAIN.tar), ...Array.from({ length: 17 }, () => bomb)]);
    writeExtendedLayout(join(scene.output.layersDir, "extended"), [{ blob: many, createdBy: "x" }]);
    const run = await scene.export({ cache: "" });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(
      /^ERROR: failed to export: .*: decompression bomb: \d+ bytes unpack to more than 1073741824$/m,
    );
    expect(registry.manifests.find("app", "latest")).toBeUndefined();
  });

  test("a directory in its place, even if the config is read first", async () => {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    const file = blobFile(extend(scene.output), digestOf(blob));
    rmSync(file);
    mkdirSync(file);
    const run = await scene.export({ cache: "" });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(
      /^ERROR: failed to export: failed to get layer info: layout blob .* is not a regular file$/m,
    );
    expect(registry.manifests.find("app", "latest")).toBeUndefined();
  });

  test("a truncated layout whose config is read first", async () => {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    const path = extend(scene.output);
    truncateSync(join(path, "index.json"), 10);
    const run = await scene.export({ cache: "" });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain(`Run the extender again: the image that it left in ${path} cannot be read.`);
    expect(run.stderr).toContain(
      "ERROR: failed to get extended image config: invalid image index: not JSON: unexpected end of JSON input\n",
    );
    expect(uploadRequests(registry).filter((request) => request.includes("/app/"))).toEqual([]);
  });
});
