import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { beforeEach, describe, expect, test } from "vitest";
import { listTree } from "../../conformance/disk-tree.ts";
import { previousImageToml } from "../../support/build/analyzed.ts";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { readImage } from "../../support/creator/image-document.ts";
import { pushRunImage, smallRunImage } from "../../support/images/run-image.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import {
  BOTH_WAYS,
  EXPORTERS,
  type ExporterName,
  REFERENCE,
  restoreLayers,
  runPhase,
  warnWithoutReference,
} from "../../support/process/reference-lifecycle.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { asFake, layerWork, Scene, uploadRequests } from "../../support/scenes/scene.ts";

warnWithoutReference("Exchanges of images");

const CACHED = ["jdk", "maven"];
/** The digest of the image itself, which depends on the compressor. */
const OWN_DIGEST = /@sha256:[0-9a-f]{64}/;

let scene: Scene;

/** A run image that the app image's metadata allows to rebase on. */
const NEW_RUN = "new-run";
const NEWER = { "etc/os-release": { content: 'ID="newer"\n', mode: 0o644 } };

beforeEach(async () => {
  const registry = await FakeRegistry.start();
  scene = await Scene.open(registry);
  const names = `image = "${registry.host}/run"\nmirrors = ["${registry.host}/${NEW_RUN}"]\n`;
  writeFileSync(join(scene.output.root, "run.toml"), `[[images]]\n${names}`);
});

function imageOf(exporter: ExporterName): string {
  return `${scene.app.host}/${exporter}/app:latest`;
}

function cacheOf(exporter: ExporterName): string {
  return `${scene.app.host}/${exporter}/cache:latest`;
}

async function exportBy(exporter: ExporterName, of = exporter, flags: readonly string[] = []) {
  const run = await scene.export({ ...EXPORTERS[exporter], images: [imageOf(of)], cache: cacheOf(of), flags });
  expect(run).toMatchObject({ exitCode: 0 });
  return run;
}

async function analyze(of: ExporterName, runImage = "run") {
  const { layersDir, root } = scene.output;
  const inputs = ["-layers", layersDir, "-run", join(root, "run.toml"), "-run-image", `${scene.app.host}/${runImage}`];
  const run = await runPhase("analyzer", [...inputs, imageOf(of)]);
  return { run, analyzed: parse(readFileSync(join(layersDir, "analyzed.toml"), "utf8")) };
}

/** @returns the rebaser's output */
async function rebase(of: ExporterName): Promise<string> {
  const { root } = scene.output;
  const flags = ["-run-image", `${scene.app.host}/${NEW_RUN}`, "-report", join(root, "rebase.toml")];
  return (await runPhase("rebaser", [...flags, imageOf(of)])).stdout;
}

describe.skipIf(REFERENCE === "")("images of both exporters", () => {
  test.for(["gzip", "zstd"])("a cache image with %s blobs is restored by the reference", async (compression) => {
    await exportBy("ours", "ours", ["-compression", compression]);
    const { layers } = await verifyImage(cacheOf("ours"));
    for (const { mediaType } of layers) expect(mediaType).toContain(`+${compression}`);
    await scene.analyze(imageOf("ours"));
    const contents = () => CACHED.map((name) => listTree(scene.layerPath(name)));
    const before = contents();
    const run = await restoreLayers(scene, CACHED, ["-cache-image", cacheOf("ours")]);
    expect(run.stdout.match(/Restoring data for .* from cache/g)).toHaveLength(2);
    expect(contents()).toEqual(before);
    const again = await exportBy("ours");
    expect(again.stdout.match(/Reusing cache layer/g)).toHaveLength(2);
  });

  test.for(["gzip", "zstd"])("an image with %s blobs is read by the reference's analyzer", async (compression) => {
    await exportBy("ours", "ours", ["-compression", compression]);
    await exportBy("reference");
    const ours = await analyze("ours");
    const theirs = await analyze("reference");
    expect(ours.analyzed.image).toEqual({ reference: expect.stringMatching(OWN_DIGEST) });
    expect({ ...ours.analyzed, image: undefined }).toEqual({ ...theirs.analyzed, image: undefined });
    expect(JSON.stringify(ours.analyzed)).toContain('"jdk"');
  });

  test.for(BOTH_WAYS)("written by %s, all of it is reused by %s", async ([writer, reader]) => {
    await exportBy(writer);
    await analyze(writer);
    const before = { app: await verifyImage(imageOf(writer)), cache: await verifyImage(cacheOf(writer)) };
    const { requests } = asFake(scene.app);
    requests.length = 0;
    const run = await exportBy(reader, writer);
    expect(run.stdout).not.toContain("Adding layer");
    // jdk, libraries, SBOM, launcher, config, process-types
    expect(run.stdout.match(/^Reusing layer '/gm)).toHaveLength(6);
    expect(run.stdout).toContain("Reused 1/1 app layer(s)");
    expect(run.stdout.match(/^Reusing cache layer '/gm)).toHaveLength(2);
    expect(await verifyImage(imageOf(writer))).toEqual(before.app);
    // The reference appends reused layers a second time, compressed again.
    const isToCheck = (request: string) => reader === "ours" || !request.includes("/cache/");
    expect(uploadRequests(asFake(scene.app)).filter(isToCheck)).toEqual([]);
    const cached = new Set((await verifyImage(cacheOf(writer))).layers.map(({ diffId }) => diffId));
    expect([...cached]).toEqual(before.cache.layers.map(({ diffId }) => diffId));
  });

  test.for(BOTH_WAYS)("written by %s: unchanged layers are reused by %s", async ([writer, reader]) => {
    await exportBy(writer);
    await analyze(writer);
    const before = await verifyImage(imageOf(writer));
    scene.change("jdk");
    const run = await exportBy(reader, writer);
    expect(run.stdout.match(/^Adding layer '.*/gm)).toEqual(["Adding layer 'samples/java:jdk'"]);
    const { layers } = await verifyImage(imageOf(writer));
    const changed = layers.flatMap(({ digest }, i) => (digest === before.layers[i]?.digest ? [] : [i]));
    expect(changed).toEqual([1]);
    await verifyImage(cacheOf(writer));
  });

  test("is rebased by the reference as its own is, and built upon after that", async () => {
    await exportBy("ours");
    await exportBy("reference");
    const before = await verifyImage(imageOf("ours"));
    const newRun = await pushRunImage(`${scene.app.host}/${NEW_RUN}`, undefined, smallRunImage(NEWER));
    await rebase("ours");
    await rebase("reference");
    const after = await verifyImage(imageOf("ours"));
    const [base] = (await verifyImage(`${scene.app.host}/${NEW_RUN}:latest`)).layers;
    expect(after.layers).toEqual([base, ...before.layers.slice(1)]);
    expect(base).not.toEqual(before.layers[0]);
    const metadata = JSON.parse(after.labels["io.buildpacks.lifecycle.metadata"] ?? "");
    expect(metadata.runImage).toMatchObject({ topLayer: base?.diffId, reference: newRun });
    const rebased = await readImage(imageOf("ours"));
    expect(rebased.configDigest).toBe((await readImage(imageOf("reference"))).configDigest);

    for (const exporter of ["ours", "reference"] as const) {
      const previous = previousImageToml(
        imageOf(exporter).replace(/:latest$/, ""),
        await verifyImage(imageOf(exporter)),
      );
      writeAnalyzed(scene.output, newRun, previous);
      const run = await exportBy(exporter);
      expect(run.stdout).not.toContain("Adding layer");
      if (exporter === "ours")
        for (const work of Object.values(layerWork(run.events))) expect(work).toMatchObject({ compressions: 0 });
    }
    const built = await readImage(imageOf("ours"));
    expect(built.configDigest).toBe((await readImage(imageOf("reference"))).configDigest);
    expect((await verifyImage(imageOf("ours"))).layers).toEqual(after.layers);
  });
});
