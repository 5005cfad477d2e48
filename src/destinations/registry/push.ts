import { awaitedLater } from "../../concurrency/task-scope.ts";
import { toFault } from "../../errors/fault.ts";
import { RegistryFault } from "../../http/faults.ts";
import type { BuiltImage } from "../../images/image.ts";
import type { Monitor } from "../../observe/monitor.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Reference } from "../../oci/reference.ts";
import { APP_PRIORITY } from "../../plan/layers.ts";
import type { SavedName } from "../destination.ts";
import { type MissingBlobs, missingBlobs } from "./blobs.ts";
import type { Work } from "./connection.ts";
import { pushBaseLayers, pushLayer, type RegistryContent } from "./push-layer.ts";
import type { RegistryRepository } from "./repository.ts";
import type { TagLookups, TagResult } from "./tags.ts";

/**
 * The part of a push that runs before the layers finish, so that the manifest can follow them at once. {@link pushApp}
 * reports its failures.
 */
export interface EarlyPush {
  readonly blobs: Promise<unknown>;
  readonly lookups: TagLookups;
}

export function pushEarly(
  repository: RegistryRepository,
  { blobs, names }: { readonly blobs: readonly Uint8Array[]; readonly names: readonly Reference[] },
  work: Work,
): EarlyPush {
  const put = Promise.all(blobs.map((bytes) => repository.putBytes(bytes, work)));
  return { blobs: awaitedLater(put), lookups: repository.lookUpTags(names, work) };
}

interface PushedLayer {
  readonly id: string;
  readonly content: RegistryContent;
  readonly added: Promise<Descriptor>;
}

export interface AppPush {
  readonly image: BuiltImage;
  readonly early: EarlyPush;
  readonly base: {
    readonly layers: readonly Descriptor[];
    readonly from: RegistryRepository;
    readonly added: Promise<unknown>;
  };
  readonly layers: readonly PushedLayer[];
  readonly monitor: Monitor;
}

export interface PushedApp {
  readonly names: readonly SavedName[];
  readonly missing: ReadonlyMap<RegistryRepository, MissingBlobs>;
}

/**
 * Saves the app image under all its names (docs/compatibility.md#image-names, docs/compatibility.md#pushing-images):
 * blobs once per repository, then its manifests at once.
 * @param references at least one; the layers are being pushed to the first one's repository
 * @throws errors that are not the registry's: a layer that cannot be built, the signal's reason
 */
export async function pushApp(
  push: AppPush,
  references: readonly Reference[],
  repositoryOf: (reference: Reference) => RegistryRepository,
  signal: AbortSignal,
): Promise<PushedApp> {
  const [first, ...others] = Map.groupBy(references, repositoryOf);
  if (first === undefined) return { names: [], missing: new Map() };
  const added = push.layers.map((layer) => layer.added);
  const results = await pushTo(first[0], first[1], push, signal, () =>
    Promise.all([push.early.blobs, push.base.added, ...added]),
  );
  const later = others.map(([repository, names]) =>
    pushTo(repository, names, push, signal, () => copyBlobs(push, first[0], repository, signal)),
  );
  const all = [results, ...(await Promise.all(later))].flat();
  const outcomes = new Map(all.map((result) => [result.reference, result]));
  return {
    names: references.map((reference) => savedName(outcomes.get(reference) as TagResult)),
    missing: missingFrom(all, push.image, repositoryOf),
  };
}

function missingFrom(
  results: readonly TagResult[],
  image: BuiltImage,
  repositoryOf: (reference: Reference) => RegistryRepository,
): PushedApp["missing"] {
  const found = new Map<RegistryRepository, MissingBlobs>();
  for (const { reference, outcome, error } of results) {
    const missing = outcome === "failed" ? missingBlobs(error, image) : undefined;
    if (missing !== undefined) found.set(repositoryOf(reference), missing);
  }
  return found;
}

function savedName({ reference, outcome, error }: TagResult): SavedName {
  const name = reference.original;
  return { name, failure: outcome === "pushed" || outcome === "unchanged" ? undefined : toFault(error) };
}

async function pushTo(
  repository: RegistryRepository,
  references: readonly Reference[],
  { image, early }: AppPush,
  signal: AbortSignal,
  pushBlobs: () => Promise<unknown>,
): Promise<TagResult[]> {
  const work = { priority: APP_PRIORITY, signal };
  const { digest, mediaType } = image.manifestDescriptor;
  try {
    await pushBlobs();
    const manifest = { digest, mediaType, bytes: Buffer.from(image.manifestBytes) };
    return await repository.putTags(references, manifest, work, early.lookups);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RegistryFault)) throw error;
    return references.map((reference) => ({ reference, outcome: "incomplete", error }));
  }
}

async function copyBlobs(
  { image, base, layers, monitor }: AppPush,
  first: RegistryRepository,
  repository: RegistryRepository,
  signal: AbortSignal,
): Promise<void> {
  const work = { priority: APP_PRIORITY, signal, monitor, image: "app" } as const;
  const own = image.layers.slice(base.layers.length);
  const contentOf = ({ content }: PushedLayer, descriptor: Descriptor): RegistryContent =>
    content.kind === "made" ? { kind: "existing", descriptor, from: first, otherwise: content } : content;
  await Promise.all([
    repository.putBytes(image.configBytes, work),
    pushBaseLayers(base.layers, base.from, repository, { monitor, signal }),
    ...layers.map((layer, i) =>
      pushLayer(contentOf(layer, own[i] as Descriptor), repository, { ...work, layer: layer.id }),
    ),
  ]);
}
