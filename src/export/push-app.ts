import type { RegistryRepository } from "../destinations/registry/repository.ts";
import type { TagResult } from "../destinations/registry/tag.ts";
import { messageOf } from "../faults/fault.ts";
import type { BuiltImage } from "../images/built-image.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { APP_PRIORITY } from "../plan/layer-plan.ts";
import { RegistryFault } from "../transport/registry-fault.ts";
import type { AppLayer } from "./app-layers.ts";
import type { ExportContext } from "./context.ts";
import { type LayerContent, placeLayer } from "./layer-content.ts";
import type { RunImage } from "./open-images.ts";

/** One name of the app image, and why it could not be saved, if so. */
export interface SavedName {
  readonly name: string;
  readonly cause: string | undefined;
}

/** What is to be pushed: the image, and where each of its layers comes from. */
export interface AppPush {
  readonly image: BuiltImage;
  readonly runImage: RunImage;
  readonly layers: readonly AppLayer[];
  /** The run image's layers on their way to the output's repository. */
  readonly base: Promise<unknown>;
}

/** Starts to put the run image's layers into a repository: most are there, some are mounted, the rest is copied. */
export function placeBaseLayers(
  runImage: RunImage,
  repository: RegistryRepository,
  signal: AbortSignal,
): Promise<unknown> {
  const options = { priority: APP_PRIORITY, signal };
  return Promise.all(
    runImage.manifest.layers.map((descriptor) => repository.copyBlob(descriptor, runImage.repository, options)),
  );
}

/**
 * Saves the app image under all its names (contract 8.1, 9.5). Blobs go once to each repository, then all its manifests at
 * once; a name that fails does not hinder the others.
 * @returns the names as typed, in order, duplicates included
 * @throws what is not a registry's doing: a layer that cannot be made, the signal's reason
 */
export async function pushApp(context: ExportContext, push: AppPush, signal: AbortSignal): Promise<SavedName[]> {
  const primary = context.app.reference;
  const references = [primary, ...context.settings.additionalTags.map(parseReference)];
  const byRepository = Map.groupBy(references, (reference) => context.registries.repository(reference, primary));
  const [first, ...others] = byRepository;
  if (first === undefined) return [];
  const results = await pushTo(first[0], first[1], push, signal, async () => {
    await Promise.all([push.base, ...push.layers.map(({ placed }) => placed)]);
  });
  const later = others.map(([repository, names]) =>
    pushTo(repository, names, push, signal, () => copyLayers(push, first[0], repository, signal)),
  );
  const outcomes = new Map([results, ...(await Promise.all(later))].flat().map((result) => [result.reference, result]));
  return references.map((reference) => savedName(outcomes.get(reference) as TagResult));
}

function savedName({ reference, outcome, error }: TagResult): SavedName {
  return { name: reference.original, cause: outcome === "failed" ? messageOf(error) : undefined };
}

async function pushTo(
  repository: RegistryRepository,
  references: readonly Reference[],
  { image }: AppPush,
  signal: AbortSignal,
  placeLayers: () => Promise<void>,
): Promise<TagResult[]> {
  const work = { priority: APP_PRIORITY, signal };
  const { digest, mediaType } = image.manifestDescriptor;
  try {
    await Promise.all([placeLayers(), repository.putBytes(image.configBytes, work)]);
    return await repository.putTags(references, { digest, mediaType, bytes: Buffer.from(image.manifestBytes) }, work);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RegistryFault)) throw error;
    return references.map((reference) => ({ reference, outcome: "failed", error }));
  }
}

/** Another repository takes the layers from the first, which has them by now: all names of an image are in one registry. */
async function copyLayers(
  { image, runImage, layers }: AppPush,
  first: RegistryRepository,
  repository: RegistryRepository,
  signal: AbortSignal,
): Promise<void> {
  const own = image.layers.slice(runImage.manifest.layers.length);
  const contentOf = (layer: AppLayer, descriptor: Descriptor): LayerContent =>
    layer.content.kind === "made"
      ? { kind: "existing", descriptor, from: first, otherwise: layer.content }
      : layer.content;
  await Promise.all([
    placeBaseLayers(runImage, repository, signal),
    ...layers.map((layer, i) =>
      placeLayer(contentOf(layer, own[i] as Descriptor), repository, { priority: APP_PRIORITY, signal }),
    ),
  ]);
}
