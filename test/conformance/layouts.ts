import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { digestOf } from "../../src/oci/digest.ts";
import { blobFile, readVerified } from "../support/images/layout.ts";
import { CASE_ROOT } from "./materialize.ts";
import type { Scene } from "./observe.ts";
import { normalize } from "./placeholders.ts";
import type { LayoutTexts } from "./recorded-case.ts";
import type { RunImage } from "./run-image.ts";

/** A case's run image, if that is a layout. */
export const RUN_LAYOUT = join(CASE_ROOT, "run");

/** Directory in which cases create their layouts. */
export const LAYOUTS = join(CASE_ROOT, "layouts");

const descriptorSchema = z.object({ mediaType: z.string(), digest: z.string(), size: z.number() });
const indexSchema = z.object({ manifests: z.tuple([descriptorSchema]) });
const manifestSchema = z.object({ config: descriptorSchema, layers: z.array(descriptorSchema) });
const configSchema = z.object({ rootfs: z.object({ diff_ids: z.array(z.string()) }) });

/** Writes a run image as a layout. @param isSparse without its layers */
export function writeRunLayout({ blobs, layerDigests, manifests }: RunImage, isSparse: boolean): void {
  mkdirSync(join(RUN_LAYOUT, "blobs", "sha256"), { recursive: true });
  const written = blobs.filter((bytes) => !isSparse || !layerDigests.has(digestOf(bytes)));
  for (const bytes of [...written, ...manifests.map((manifest) => manifest.bytes)])
    writeFileSync(blobFile(RUN_LAYOUT, digestOf(bytes)), bytes);
  const entries = manifests.map(({ bytes, mediaType }) => ({
    mediaType,
    size: bytes.length,
    digest: digestOf(bytes),
    platform: { architecture: "amd64", os: "linux" },
  }));
  writeFileSync(join(RUN_LAYOUT, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: entries }));
  writeFileSync(join(RUN_LAYOUT, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
}

/**
 * All layouts that a run made, by their path below `layouts`; their digests get names. Undefined when there is none.
 */
export function describeLayouts(scene: Scene, label: string): Readonly<Record<string, LayoutTexts>> | undefined {
  if (!statSync(LAYOUTS, { throwIfNoEntry: false })?.isDirectory()) return undefined;
  const names = readdirSync(LAYOUTS, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\/oci-layout$/.test(name),
  );
  const paths = names.sort().map((name) => join(LAYOUTS, name, ".."));
  return Object.fromEntries(
    paths.map((path) => [
      relative(LAYOUTS, path),
      describeLayout(path, scene, `{${label}${relative(LAYOUTS, path)}Digest}`),
    ]),
  );
}

/** Every digest, size and diffID of what is there is recomputed. */
function describeLayout(path: string, scene: Scene, name: string): LayoutTexts {
  const index = readFileSync(join(path, "index.json"), "utf8");
  const [entry] = indexSchema.parse(JSON.parse(index)).manifests;
  if (!scene.digests.has(entry.digest)) scene.digests.set(entry.digest, name);
  const manifestText = readVerified(path, entry).toString();
  const { config, layers } = manifestSchema.parse(JSON.parse(manifestText));
  const configText = readVerified(path, config).toString();
  const diffIDs = configSchema.parse(JSON.parse(configText)).rootfs.diff_ids;
  const blobNames = new Map([
    [entry.digest, "{manifest}"],
    [config.digest, "{config}"],
  ]);
  let manifest = manifestText.replace(`"digest":"${config.digest}"`, '"digest":"{config}"');
  for (const [i, layer] of layers.entries()) {
    const { digest, size } = layer;
    if (existsSync(blobFile(path, digest)) && digestOf(gunzipSync(readVerified(path, layer))) !== diffIDs[i])
      throw new Error(`layer ${i} of ${path} is not what its image says`);
    if (scene.runImageLayers.has(digest)) continue;
    blobNames.set(digest, `{layer${i}}`);
    manifest = manifest.replace(`"size":${size},"digest":"${digest}"`, `"size":0,"digest":"{layer${i}}"`);
  }
  const normal = (text: string) =>
    normalize(text.replaceAll(scene.placeholders.runImage, "{runImage}"), scene.placeholders, scene.digests);
  const files = readdirSync(join(path, "blobs", "sha256")).map((file) => {
    const mode = (statSync(join(path, "blobs", "sha256", file)).mode & 0o7777).toString(8).padStart(4, "0");
    // Names of an earlier build's blobs depend on its compressor.
    const isKnown = scene.runImageLayers.has(`sha256:${file}`);
    return `${mode} ${blobNames.get(`sha256:${file}`) ?? (isKnown ? file : "{other}")}`;
  });
  return {
    index: normal(index.replace(`"size": ${entry.size}`, '"size": {manifestSize}')),
    ociLayout: readFileSync(join(path, "oci-layout"), "utf8"),
    manifest: normal(manifest),
    config: normal(configText),
    diffIDs,
    files: files.sort(),
  };
}
