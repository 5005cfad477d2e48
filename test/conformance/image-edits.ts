import { z } from "zod";
import { DOCKER_LAYER_GZIP, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../src/oci/descriptor.ts";
import type { Outcome } from "./recorded-case.ts";

/** An image as an outcome describes it: texts with placeholders. */
export type ImageTexts = Outcome["images"][string];

const layersSchema = z.array(z.record(z.string(), z.unknown()));
const historySchema = z.array(z.unknown());

/** An object as it stands in the text: its members keep their order. */
const objectSchema = z.record(z.string(), z.unknown());

/** Replaces a text of an image's config, once; its size in the manifest follows. */
export function editConfig(image: ImageTexts, from: string, to: string): ImageTexts {
  if (image.config.split(from).length !== 2) throw new Error(`not once in the config: ${from}`);
  return withConfig(image, image.config.replace(from, to));
}

/** The cache image of a rebuild with every layer listed once (docs/compatibility.md#cached-layers-listed-once). */
export function listLayersOnce(image: ImageTexts): ImageTexts {
  const isFirst = (_: unknown, i: number) => image.diffIDs.indexOf(image.diffIDs[i] ?? "") === i;
  const diffIDs = image.diffIDs.filter(isFirst);
  const config = objectSchema.parse(JSON.parse(image.config));
  const rootfs = { ...objectSchema.parse(config.rootfs), diff_ids: diffIDs };
  const history = historySchema.parse(config.history).filter(isFirst);
  const edited = withConfig(image, JSON.stringify({ ...config, history, rootfs }));
  const manifest = objectSchema.parse(JSON.parse(edited.manifest));
  const layers = layersSchema.parse(manifest.layers).filter(isFirst);
  const numbered = layers.map((layer, i) => ({ ...layer, digest: `{layer${i}}` }));
  return { ...edited, manifest: JSON.stringify({ ...manifest, layers: numbered }), diffIDs };
}

/** Gives the new layers of an OCI image their OCI media type (docs/compatibility.md#oci-layer-media-types). */
export function nameOciLayers(image: ImageTexts): ImageTexts {
  if (image.manifestContentType !== OCI_MANIFEST) return image;
  const added = `"mediaType":"${DOCKER_LAYER_GZIP}","size":0,"digest":"{layer`;
  return { ...image, manifest: image.manifest.replaceAll(added, added.replace(DOCKER_LAYER_GZIP, OCI_LAYER_GZIP)) };
}

function withConfig(image: ImageTexts, config: string): ImageTexts {
  const grown = Buffer.byteLength(config) - Buffer.byteLength(image.config);
  const manifest = image.manifest.replace(
    /"size":(\d+),"digest":"\{config\}"/,
    (_, size: string) => `"size":${Number(size) + grown},"digest":"{config}"`,
  );
  return { ...image, config, manifest };
}
