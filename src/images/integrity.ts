import { parseCacheMetadata, parseRecordedLayers } from "../cnb/lifecycle-metadata.ts";
import { CACHE_METADATA_LABEL, LIFECYCLE_METADATA_LABEL } from "../cnb/names.ts";
import { Fault, type FaultCode } from "../errors/fault.ts";
import { goJson } from "../go/json-encode.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { DiffID } from "../oci/digest.ts";
import { type ImageConfig, parseImageConfig } from "../oci/image-config.ts";
import { descriptorStruct } from "../oci/manifest.ts";
import type { BuiltImage } from "./image.ts";

export interface ExistingImage {
  readonly name: string;
  readonly config: ImageConfig;
  readonly layers: readonly Descriptor[];
}

export interface OwnLayer {
  readonly id: string;
  readonly diffId: DiffID;
  readonly from: ExistingImage | undefined;
  readonly canBeBuilt: boolean;
}

/**
 * Rejects an inconsistent image before any of it is published.
 * @param base the image that it is built upon
 * @param own its other layers, from the bottom
 * @throws Fault that names the layer
 */
export function checkImage(
  name: string,
  image: BuiltImage,
  base: ExistingImage | undefined,
  own: readonly OwnLayer[],
): void {
  const refuse = (what: string): never => {
    throw new Fault("EXPORT_IMAGE_MANIFEST", `image ${name} would be broken, so it is not saved: ${what}`, {
      hint: "Build again without the previous image and the cache, and report this if it happens again.",
    });
  };
  const config = parseImageConfig(image.configBytes, name);
  const diffIds = config.rootfs.diff_ids;
  const entries = config.history.length;
  if (image.layers.length !== diffIds.length || entries !== diffIds.length)
    refuse(`it has ${image.layers.length} layers, ${diffIds.length} diffIDs and ${entries} history entries for them`);
  const baseLayers = base?.layers ?? [];
  if (image.layers.length !== baseLayers.length + own.length)
    refuse(`it has ${image.layers.length} layers, and its parts have ${baseLayers.length + own.length}`);
  for (const [i, descriptor] of baseLayers.entries()) {
    if (!isSame(image.layers[i], descriptor) || diffIds[i] !== base?.config.rootfs.diff_ids[i])
      refuse(`layer ${i} is not that of ${base?.name}`);
  }
  for (const [i, layer] of own.entries()) {
    const at = baseLayers.length + i;
    if (diffIds[at] !== layer.diffId) refuse(`diffID ${diffIds[at]} is not that of layer '${layer.id}'`);
    if (!isOrigin(image.layers[at], layer)) refuse(`layer '${layer.id}' is not one of ${layer.from?.name}`);
  }
}

function isOrigin(descriptor: Descriptor | undefined, { diffId, from, canBeBuilt }: OwnLayer): boolean {
  const { diff_ids } = from?.config.rootfs ?? { diff_ids: [] };
  const blobs = (from?.layers ?? []).map((layer, i) => ({ ...layer, diffId: diff_ids[i] }));
  const listed = blobs.filter((blob) => blob.digest === descriptor?.digest);
  if (listed.length === 0) return canBeBuilt;
  return listed.some((blob) => blob.diffId === diffId && blob.size === descriptor?.size);
}

function isSame(one: Descriptor | undefined, other: Descriptor): boolean {
  return one !== undefined && goJson(descriptorStruct(one)) === goJson(descriptorStruct(other));
}

const UNREADABLE: ReadonlySet<FaultCode> = new Set([
  "EXPORT_IMAGE_CONFIG",
  "EXPORT_IMAGE_MANIFEST",
  "EXPORT_REGISTRY_DIGEST",
]);

/** An image is there, but its manifest or config cannot be parsed or is not that of its digest. */
export function isUnreadable(error: unknown): error is Fault {
  return error instanceof Fault && UNREADABLE.has(error.code);
}

/**
 * Why no layer may be reused from a previous image: its manifest, config and label contradict each other, so that a
 * diffID may belong to another layer's blob. undefined for a consistent image.
 * @param base today's run image: an update may keep its last layer and replace those below, so only the reference in
 * the label tells whether the image was built upon it
 */
export function appImageDamage(
  image: ExistingImage,
  base: ExistingImage & { readonly reference: string },
): string | undefined {
  const label = image.config.config.Labels.get(LIFECYCLE_METADATA_LABEL);
  const { runImage, own, byHistory } = parseRecordedLayers(label);
  const diffIds: readonly string[] = image.config.rootfs.diff_ids;
  const counts = countsDamage(image);
  if (counts !== undefined) return counts;
  // Not the run image's last layer: a rebase by a tool that does not know the label leaves the old one in it.
  const lost = own.find((sha) => sha !== "" && !diffIds.includes(sha));
  if (lost !== undefined) return `its label names layer ${lost}, which its config does not list`;
  const top = diffIds.indexOf(runImage.topLayer);
  const low = own.find((sha) => sha !== "" && diffIds.lastIndexOf(sha) <= top);
  if (low !== undefined) return `its config lists layer ${low} below those of its run image`;
  const baseIds = base.config.rootfs.diff_ids;
  if (runImage.reference === base.reference && baseIds.some((diffId, i) => diffIds[i] !== diffId))
    return "its config lists other layers than those of its run image";
  // Below Platform API 0.12 the history says nothing about layers, and a run image may be an app image itself.
  const entries = image.config.history.filter((entry) => !entry.empty_layer);
  const moved = entries.find(
    ({ created_by }, i) => i > top && (byHistory.get(created_by) || diffIds[i]) !== diffIds[i],
  );
  if (entries.length !== diffIds.length || moved === undefined) return undefined;
  return `its history has '${moved.created_by}' at another place than its config`;
}

/**
 * Like {@link appImageDamage} for a cache image, whose label lists all its layers in order. The lifecycle lists reused
 * layers twice (docs/compatibility.md#cached-layers-listed-once).
 */
export function cacheImageDamage(image: ExistingImage): string | undefined {
  const { sbom, buildpacks } = parseCacheMetadata(image.config.config.Labels.get(CACHE_METADATA_LABEL));
  const cached = buildpacks.flatMap(({ layers }) => [...layers.values()].map(({ diffId }) => diffId));
  const named = [...new Set([...cached, sbom])].filter((sha) => sha !== "");
  const listed: readonly string[] = [...new Set(image.config.rootfs.diff_ids)];
  const isListed = named.length === 0 || (named.length === listed.length && named.every((sha, i) => sha === listed[i]));
  return countsDamage(image) ?? (isListed ? undefined : "its config lists other layers than its label");
}

export function checkCounts(image: ExistingImage): void {
  const damage = countsDamage(image);
  if (damage !== undefined) throw new Fault("EXPORT_IMAGE_MANIFEST", `image ${image.name} is inconsistent: ${damage}`);
}

function countsDamage({ config, layers }: ExistingImage): string | undefined {
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length === layers.length) return undefined;
  return `it has ${layers.length} layers and ${diffIds.length} diffIDs`;
}
