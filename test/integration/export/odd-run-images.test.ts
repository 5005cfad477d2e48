import { describe, expect, test } from "vitest";
import { z } from "zod";
import { digestOf } from "../../../src/oci/digest.ts";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { OPEN_ACCESS } from "../../support/images/registry-access.ts";
import { pushRunImage, smallRunImage } from "../../support/images/run-image.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { REGISTRY_KINDS } from "../../support/registry/registry-kinds.ts";
import { Scene } from "../../support/scenes/scene.ts";

type RunImage = Awaited<ReturnType<typeof smallRunImage>>;

async function withManifest(change: (manifest: string) => string): Promise<RunImage> {
  const image = await smallRunImage();
  return { ...image, manifest: Buffer.from(change(image.manifest.toString())) };
}

/** A run image with another config, and a manifest that matches it. */
async function withConfig(change: (config: string) => string): Promise<RunImage> {
  const image = await smallRunImage();
  const config = Buffer.from(change(image.config.toString()));
  const manifest = image.manifest
    .toString()
    .replace(digestOf(image.config), digestOf(config))
    .replace(`"size":${image.config.length}`, `"size":${config.length}`);
  return { ...image, config, manifest: Buffer.from(manifest) };
}

const CONFIG_TYPE = '"mediaType":"application/vnd.oci.image.config.v1+json",';
const LAYER_TYPE = '"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",';

const manifestSchema = z.object({ layers: z.array(z.unknown()), config: z.looseObject({}) });

async function manifestOf(host: string, repository: string, tag: string) {
  const url = `${OPEN_ACCESS.repositoryUrl(`${host}/${repository}`)}/manifests/${tag}`;
  const accept = "application/vnd.oci.image.manifest.v1+json";
  return manifestSchema.parse(await (await OPEN_ACCESS.send(url, { headers: { accept } })).json());
}

describe.for(REGISTRY_KINDS)("run images in $name", ({ start, isMissing }) => {
  const cases: readonly (readonly [what: string, image: () => Promise<RunImage>])[] = [
    ["without config.mediaType", () => withManifest((text) => text.replace(CONFIG_TYPE, ""))],
    ["without a layer's mediaType", () => withManifest((text) => text.replace(LAYER_TYPE, ""))],
    ["with null for members", () => withManifest((text) => `{"annotations":null,"subject":null,${text.slice(1)}`)],
    ["with members that nothing knows", () => withManifest((text) => `{"Layers2":{"a":[1]},${text.slice(1)}`)],
    ["whose config has null and other cases", () => withConfig((text) => `{"History":null,"OS":null,${text.slice(1)}`)],
  ];
  test.skipIf(isMissing).for(cases)("%s can be built upon", async ([, image]) => {
    const registry = await start();
    const scene = await Scene.openSmall(registry);
    writeAnalyzed(scene.output, await pushRunImage(`${registry.host}/run`, OPEN_ACCESS, image()));
    expect(await scene.export()).toMatchObject({ exitCode: 0, stderr: "" });
    await verifyImage(scene.appImage);
    const [base, app] = [
      await manifestOf(registry.host, "run", "latest"),
      await manifestOf(registry.host, "app", "latest"),
    ];
    const mediaType = { mediaType: "", ...(base.layers[0] as object) };
    expect(app.layers[0]).toEqual(mediaType);
    // Without it, tools mistake the config for something else.
    expect(app.config.mediaType).toBe("application/vnd.oci.image.config.v1+json");
  });
});
