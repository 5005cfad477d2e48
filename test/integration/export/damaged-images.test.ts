import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { digestOf } from "../../../src/oci/digest.ts";
import { previousImageToml } from "../../support/build/analyzed.ts";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { blobFile, verifyLayout } from "../../support/images/layout.ts";
import { OPEN_ACCESS } from "../../support/images/registry-access.ts";
import { putBlob } from "../../support/images/run-image.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { testImage, testIndex } from "../../support/registry/test-image.ts";
import { LayoutScene } from "../../support/scenes/layout-scene.ts";
import { layerWork, Scene } from "../../support/scenes/scene.ts";

const configSchema = z.looseObject({ rootfs: z.looseObject({ diff_ids: z.array(z.string()) }) });
const manifestSchema = z.looseObject({
  config: z.looseObject({ digest: z.string(), size: z.number() }),
  layers: z.array(z.unknown()),
});

interface Documents {
  readonly config: z.infer<typeof configSchema>;
  readonly manifest: z.infer<typeof manifestSchema>;
}

interface Damage {
  readonly what: string;
  readonly change: (documents: Documents) => void;
  readonly says: RegExp;
}

const OTHER = digestOf(Buffer.from("another layer"));

const DAMAGES: readonly Damage[] = [
  {
    what: "lacks a diffID that its label names, so that the others are shifted",
    change: ({ config: { rootfs } }) => {
      rootfs.diff_ids.splice(1, 1);
      rootfs.diff_ids.push(OTHER);
    },
    says: /its label names layer sha256:[0-9a-f]{64}, which its config does not list$/m,
  },
  {
    what: "has its diffIDs shifted up",
    change: ({ config: { rootfs } }) => void rootfs.diff_ids.unshift(rootfs.diff_ids.pop() ?? ""),
    says: /its config lists layer sha256:[0-9a-f]{64} below those of its run image$/m,
  },
  {
    what: "has its diffIDs shifted down",
    change: ({ config: { rootfs } }) => void rootfs.diff_ids.push(rootfs.diff_ids.shift() ?? ""),
    says: /its config lists layer sha256:[0-9a-f]{64} below those of its run image$/m,
  },
  {
    what: "has a diffID too many",
    change: ({ config: { rootfs } }) => void rootfs.diff_ids.unshift(OTHER),
    says: /it has 8 layers and 9 diffIDs$/m,
  },
  {
    what: "has a layer too few",
    change: ({ manifest }) => void manifest.layers.pop(),
    says: /it has 7 layers and 8 diffIDs$/m,
  },
];

/** A layout with such an image is an error, as in the lifecycle. */
const UNREADABLE: readonly Damage[] = [
  {
    what: "has an invalid config",
    change: ({ config }) => void Object.assign(config, { rootfs: "none" }),
    says: /parsing image config of .*: expected object, got string at rootfs$/m,
  },
  {
    what: "has a manifest of another version",
    change: ({ manifest }) => void Object.assign(manifest, { schemaVersion: 3 }),
    says: /invalid image manifest: expected schema version 2, got 3 at schemaVersion$/m,
  },
];

function damaged(configBytes: Buffer, manifestBytes: Buffer, { change }: Damage) {
  const documents = {
    config: configSchema.parse(JSON.parse(configBytes.toString())),
    manifest: manifestSchema.parse(JSON.parse(manifestBytes.toString())),
  };
  change(documents);
  const config = Buffer.from(JSON.stringify(documents.config));
  Object.assign(documents.manifest.config, { digest: digestOf(config), size: config.length });
  return { config, manifest: Buffer.from(JSON.stringify(documents.manifest)) };
}

/** Damages a layout's image, and makes it the previous image in analyzed.toml. */
function damageLayout(scene: LayoutScene, damage: Damage): void {
  const path = scene.pathOf();
  const { digest, labels } = verifyLayout(path);
  const manifestBytes = readFileSync(blobFile(path, digest));
  const configBytes = readFileSync(
    blobFile(path, manifestSchema.parse(JSON.parse(manifestBytes.toString())).config.digest),
  );
  const { config, manifest } = damaged(configBytes, manifestBytes, damage);
  for (const bytes of [config, manifest]) writeFileSync(blobFile(path, digestOf(bytes)), bytes);
  const index = readFileSync(join(path, "index.json"), "utf8");
  writeFileSync(
    join(path, "index.json"),
    index.replace(digest, digestOf(manifest)).replace(/"size": \d+/, `"size": ${manifest.length}`),
  );
  writeAnalyzed(scene.output, scene.runImage, previousImageToml(path, { digest: digestOf(manifest), labels }));
}

async function bytesAt(url: string): Promise<Buffer> {
  const accept = "application/vnd.oci.image.manifest.v1+json";
  return Buffer.from(await (await OPEN_ACCESS.send(url, { headers: { accept } })).arrayBuffer());
}

/** Pushes a damaged copy of an image under its name. @returns the digest of its manifest */
async function damageImage(host: string, repository: string, damage: Damage): Promise<string> {
  const base = OPEN_ACCESS.repositoryUrl(`${host}/${repository}`);
  const manifestBytes = await bytesAt(`${base}/manifests/latest`);
  const { digest } = manifestSchema.parse(JSON.parse(manifestBytes.toString())).config;
  const { config, manifest } = damaged(await bytesAt(`${base}/blobs/${digest}`), manifestBytes, damage);
  await putBlob(OPEN_ACCESS, base, config);
  const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
  await OPEN_ACCESS.send(`${base}/manifests/latest`, { method: "PUT", headers, body: new Uint8Array(manifest) });
  return digestOf(manifest);
}

/** A registry with an app image, whose damaged copy is the next build's previous image. */
async function withDamagedImage(damage: Damage) {
  const registry = await FakeRegistry.start();
  const scene = await Scene.openSmall(registry);
  expect(await scene.export()).toMatchObject({ exitCode: 0, stderr: "" });
  const whole = await scene.analyze();
  const digest = await damageImage(registry.host, "app", damage);
  writeAnalyzed(scene.output, scene.runImage, previousImageToml(`${registry.host}/app`, { ...whole, digest }));
  return { registry, scene, whole };
}

describe("a previous image is not reused", () => {
  test.for([...DAMAGES, ...UNREADABLE])("from a registry when it $what", async (damage) => {
    const { registry, scene, whole } = await withDamagedImage(damage);
    const run = await scene.export();
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toMatch(
      new RegExp(`^Warning: Not reusing layers of the previous image ${registry.host}/app@.*: `, "m"),
    );
    expect(run.stderr).toMatch(damage.says);
    expect(run.stdout).not.toContain("Reusing layer '");
    expect(await verifyImage(scene.appImage)).toEqual(whole);
  });

  test.for(DAMAGES)("from a layout when it $what", async (damage) => {
    const scene = await LayoutScene.open();
    expect(await scene.export("app")).toMatchObject({ exitCode: 0 });
    const whole = verifyLayout(scene.pathOf());
    damageLayout(scene, damage);
    const run = await scene.export("app");
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toMatch(/Not reusing layers of the previous image \//);
    expect(run.stderr).toMatch(damage.says);
    expect(run.stdout).not.toContain("Reusing layer '");
    expect(verifyLayout(scene.pathOf()).layers).toEqual(whole.layers);
  });

  test("even if a layer's files are gone: one error, and nothing is tagged", async () => {
    const { registry, scene } = await withDamagedImage(DAMAGES[0] as Damage);
    rmSync(scene.layerPath("libraries"), { recursive: true });
    const before = registry.manifests.find("app", "latest");
    const run = await scene.export();
    expect(run.exitCode).toBe(62);
    expect(run.stderr.match(/^ERROR: /gm)).toHaveLength(1);
    expect(run.stderr).toContain(
      "failed to export: reusing layer: 'samples/java:libraries': failed to get layer by diffID: unknown diffID sha256:",
    );
    expect(run.stderr).toMatch(/^Build again without the previous image/m);
    expect(registry.manifests.find("app", "latest")).toEqual(before);
  });
});

// Only the first, because a manifest that cannot be parsed is requested for seconds.
test.for([...DAMAGES, ...UNREADABLE.slice(0, 1)])("a cache image that $what counts as corrupt", async (damage) => {
  const registry = await FakeRegistry.start();
  const scene = await Scene.openSmall(registry);
  expect(await scene.export()).toMatchObject({ exitCode: 0, stderr: "" });
  const cache = await verifyImage(scene.cacheImage);
  await damageImage(registry.host, "cache", damage);
  const run = await scene.export();
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  expect(run.stdout).toContain(`Ignoring cache image "${scene.cacheImage}" because it was corrupt`);
  expect(await verifyImage(scene.cacheImage)).toEqual(cache);
  expect(layerWork(run.events).maven?.reads).toBe(1);
});

test("an index without this platform counts as a corrupt cache image, and as no previous image", async () => {
  const registry = await FakeRegistry.start();
  const scene = await Scene.openSmall(registry);
  const index = testIndex([{ architecture: "none", bytes: testImage([]).manifest.bytes }]);
  const put = { method: "PUT", headers: { "content-type": index.mediaType }, body: new Uint8Array(index.bytes) };
  for (const name of ["cache", "app"])
    await OPEN_ACCESS.send(`${OPEN_ACCESS.repositoryUrl(`${registry.host}/${name}`)}/manifests/latest`, put);
  writeAnalyzed(scene.output, scene.runImage, `[image]\nreference = "${registry.host}/app@${index.digest}"\n`);
  const run = await scene.export();
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  expect(run.stdout).toContain(`Ignoring cache image "${scene.cacheImage}" because it was corrupt`);
});
