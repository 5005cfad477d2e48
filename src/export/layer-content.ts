import type { PutOptions, RegistryRepository } from "../destinations/registry/repository.ts";
import type { Layer } from "../layers/layer.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { NOT_FOUND, RegistryFault } from "../transport/registry-fault.ts";

/** Where the blob of an image's layer comes from. */
export type LayerContent =
  | { readonly kind: "made"; readonly layer: Layer; readonly mediaType: Promise<string> }
  | {
      readonly kind: "existing";
      readonly descriptor: Descriptor;
      readonly from: RegistryRepository;
      /** Makes the blob if it turns out to be gone from the registry; without it that is an error. */
      readonly otherwise: Extract<LayerContent, { kind: "made" }> | undefined;
    };

/**
 * Makes sure that a layer's blob is in a repository, and tells its descriptor there. A blob that a registry lost, though an
 * image there lists it, is made again where that is possible.
 */
export async function placeLayer(
  content: LayerContent,
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

/**
 * The descriptor of a layer whatever became of its upload: an image that cannot be saved in one repository may still be
 * saved in another.
 * @param placed the layer's way into the first repository
 */
export async function describeLayer(content: LayerContent, placed: Promise<Descriptor>): Promise<Descriptor> {
  try {
    return await placed;
  } catch (error) {
    if (!(error instanceof RegistryFault)) throw error;
    if (content.kind === "existing") return content.descriptor;
    const { digest, size } = await (await content.layer.blob()).done;
    return { mediaType: await content.mediaType, size, digest };
  }
}

async function placeMade(
  { layer, mediaType }: Extract<LayerContent, { kind: "made" }>,
  repository: RegistryRepository,
  options: PutOptions,
): Promise<Descriptor> {
  const { digest, size, outcome } = await repository.putBlob(await layer.blob(), options);
  if (outcome === "uploaded") layer.counters.uploads += 1;
  return { mediaType: await mediaType, size, digest };
}
