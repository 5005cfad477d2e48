import type { PutOptions, RegistryRepository } from "../destinations/registry/repository.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { APP_PRIORITY } from "../plan/layer-plan.ts";
import { NOT_FOUND, RegistryFault } from "../transport/registry-fault.ts";
import type { LayerContent, MadeContent } from "./app-destination.ts";

/** The contents of a layer for a registry, which can mount and copy what is in another repository. */
export type RegistryContent = LayerContent<RegistryRepository>;

/**
 * Makes sure that a layer's blob is in a repository, and tells its descriptor there. A blob that a registry lost, though an
 * image there lists it, is made again where that is possible.
 */
export async function placeLayer(
  content: RegistryContent,
  repository: RegistryRepository,
  options: PutOptions,
): Promise<Descriptor> {
  if (content.kind === "made") return await placeMade(content, repository, options);
  try {
    await repository.copyBlob(content.descriptor, content.from, options);
    return content.descriptor;
  } catch (error) {
    const isGone = error instanceof RegistryFault && error.code === NOT_FOUND;
    if (!isGone || content.otherwise === undefined) throw error;
    return await placeMade(content.otherwise, repository, options);
  }
}

/** Starts to put the run image's layers into a repository: most are there, some are mounted, the rest is copied. */
export function placeBaseLayers(
  layers: readonly Descriptor[],
  from: RegistryRepository,
  repository: RegistryRepository,
  signal: AbortSignal,
): Promise<unknown> {
  const options = { priority: APP_PRIORITY, signal };
  return Promise.all(layers.map((descriptor) => repository.copyBlob(descriptor, from, options)));
}

async function placeMade(
  { layer, mediaType }: MadeContent,
  repository: RegistryRepository,
  options: PutOptions,
): Promise<Descriptor> {
  const { digest, size, outcome } = await repository.putBlob(await layer.blob(), options);
  if (outcome === "uploaded") layer.counters.uploads += 1;
  return { mediaType: await mediaType, size, digest };
}
