import { NOT_FOUND, RegistryFault } from "../../http/faults.ts";
import type { Monitor } from "../../observe/monitor.ts";
import type { Side, Transfer } from "../../observe/transfer.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { APP_PRIORITY } from "../../plan/layers.ts";
import type { LayerContent, MadeContent } from "../destination.ts";
import type { Work } from "./connection.ts";
import type { RegistryRepository } from "./repository.ts";

/** The contents of a layer for a registry, which can mount and copy what is in another repository. */
export type RegistryContent = LayerContent<RegistryRepository>;

/** How a layer gets into a repository. */
export interface Placing extends Work {
  readonly monitor: Monitor;
  readonly image: Side;
  /** The layer's id; undefined for a layer of the run image. */
  readonly layer: string | undefined;
}

/** A layer whose blob is in a repository. */
export interface PlacedBlob {
  readonly descriptor: Descriptor;
  /**
   * False when there is only the registry's word for it, and when that turns out to be wrong, nothing but the layer's contents
   * to make the blob from.
   */
  readonly isCertain: boolean;
}

/**
 * Makes sure that a layer's blob is in a repository, and tells its descriptor there. A blob that a registry lost, though an
 * image there lists it, is made again where that is possible.
 */
export async function placeLayer(
  content: RegistryContent,
  repository: RegistryRepository,
  { monitor, image, layer, ...work }: Placing,
): Promise<PlacedBlob> {
  const source = content.kind === "made" ? { work: content.layer.work } : { size: content.descriptor.size };
  const transfer = monitor.transfer({ destination: repository.name, image, layer, unit: "blob", ...source });
  try {
    return await place(content, repository, work, transfer);
  } catch (error) {
    transfer.fail(error);
    throw error;
  }
}

async function place(
  content: RegistryContent,
  repository: RegistryRepository,
  work: Work,
  transfer: Transfer,
): Promise<PlacedBlob> {
  if (content.kind === "made") return await placeMade(content, repository, work, transfer);
  const { descriptor, from, otherwise } = content;
  try {
    const put = await repository.copyBlob(descriptor, from, { ...work, ...hooksOf(transfer) });
    transfer.done(descriptor.digest, descriptor.size, put?.outcome ?? "existing");
    return { descriptor, isCertain: from.name !== repository.name };
  } catch (error) {
    const isGone = error instanceof RegistryFault && error.code === NOT_FOUND;
    if (!isGone || otherwise === undefined) throw error;
    return await placeMade(otherwise, repository, work, transfer);
  }
}

/** Starts to put the run image's layers into a repository: most are there, some are mounted, the rest is copied. */
export function placeBaseLayers(
  layers: readonly Descriptor[],
  from: RegistryRepository,
  repository: RegistryRepository,
  { monitor, signal }: { readonly monitor: Monitor; readonly signal: AbortSignal },
): Promise<unknown> {
  const placing = { priority: APP_PRIORITY, signal, monitor, image: "app", layer: undefined } as const;
  const content = (descriptor: Descriptor) => ({ kind: "existing", descriptor, from, otherwise: undefined }) as const;
  return Promise.all(layers.map((descriptor) => placeLayer(content(descriptor), repository, placing)));
}

async function placeMade(
  { layer, mediaType }: MadeContent,
  repository: RegistryRepository,
  work: Work,
  transfer: Transfer,
): Promise<PlacedBlob> {
  const put = await repository.putBlob(await layer.blob(), { ...work, ...hooksOf(transfer) });
  const { digest, size, outcome } = put;
  if (outcome === "uploaded") layer.counters.uploads += 1;
  transfer.done(digest, size, outcome);
  return { descriptor: { mediaType: await mediaType, size, digest }, isCertain: outcome === "uploaded" };
}

function hooksOf(transfer: Transfer) {
  return {
    onBytes: (bytes: number) => transfer.reach(bytes),
    onBegin: (offset: number) => transfer.begin(offset),
  };
}
