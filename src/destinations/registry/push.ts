import { awaitedLater } from "../../concurrency/task-scope.ts";
import type { BuiltImage } from "../../images/image.ts";
import type { Monitor } from "../../observe/monitor.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Reference } from "../../oci/reference.ts";
import { APP_PRIORITY } from "../../plan/layers.ts";
import { type MissingBlobs, missingBlobs } from "./blobs.ts";
import type { RequestOptions } from "./connection.ts";
import { rawManifest } from "./manifests.ts";
import { pushBaseLayers, pushLayer, type RegistryContent } from "./push-layer.ts";
import { isPushFault } from "./refusals.ts";
import type { RegistryRepository } from "./repository.ts";
import type { TagLookups, TagResult } from "./tags.ts";

/**
 * The part of a push that runs before the layers finish, so that the manifest can follow them at once. {@link pushApp}
 * reports its failures.
 */
export interface StartedPush {
  readonly blobs: Promise<unknown>;
  readonly lookups: TagLookups;
}

export function startPush(
  repository: RegistryRepository,
  { blobs, names }: { readonly blobs: readonly Uint8Array[]; readonly names: readonly Reference[] },
  options: RequestOptions,
): StartedPush {
  const put = Promise.all(blobs.map((bytes) => repository.putBytes(bytes, options)));
  return { blobs: awaitedLater(put), lookups: repository.lookUpTags(names, options) };
}

interface PushedLayer {
  readonly id: string;
  readonly content: RegistryContent;
  readonly added: Promise<Descriptor>;
}

export interface AppPush {
  readonly image: BuiltImage;
  readonly started: StartedPush;
  readonly base: {
    readonly layers: readonly Descriptor[];
    readonly from: RegistryRepository;
    readonly added: Promise<unknown>;
  };
  readonly layers: readonly PushedLayer[];
  readonly monitor: Monitor;
}

export type NamesByRepository = ReadonlyMap<RegistryRepository, readonly Reference[]>;

export interface PushedApp {
  readonly results: readonly TagResult[];
  readonly missing: ReadonlyMap<RegistryRepository, MissingBlobs>;
}

/**
 * Saves the app image under all its names (docs/compatibility.md#image-names, docs/compatibility.md#pushing-images):
 * blobs once per repository, then its manifests at once.
 * @param names the layers are being pushed to the first repository
 * @throws errors that are not the registry's: a layer that cannot be built, the signal's reason
 */
export async function pushApp(push: AppPush, names: NamesByRepository, signal: AbortSignal): Promise<PushedApp> {
  const [first, ...others] = names;
  if (first === undefined) return { results: [], missing: new Map() };
  const added = push.layers.map((layer) => layer.added);
  const own = await pushTo(first, push, signal, () => Promise.all([push.started.blobs, push.base.added, ...added]));
  // A repository that lacks blobs may also refuse to be read.
  const source = own[1].some(({ outcome }) => outcome === "incomplete") ? undefined : first[0];
  const copied = others.map((other) => pushTo(other, push, signal, () => copyBlobs(push, source, other[0], signal)));
  const pushed = [own, ...(await Promise.all(copied))];
  return { results: pushed.flatMap(([, results]) => results), missing: missingFrom(pushed, push.image) };
}

type PushedNames = readonly [repository: RegistryRepository, results: readonly TagResult[]];

function missingFrom(pushed: readonly PushedNames[], image: BuiltImage): PushedApp["missing"] {
  const found = new Map<RegistryRepository, MissingBlobs>();
  for (const [repository, results] of pushed)
    for (const { outcome, error } of results) {
      const missing = outcome === "failed" ? missingBlobs(error, image) : undefined;
      if (missing !== undefined) found.set(repository, missing);
    }
  return found;
}

async function pushTo(
  [repository, references]: readonly [RegistryRepository, readonly Reference[]],
  { image, started }: AppPush,
  signal: AbortSignal,
  pushBlobs: () => Promise<unknown>,
): Promise<PushedNames> {
  const options = { priority: APP_PRIORITY, signal };
  try {
    await pushBlobs();
    return [repository, await repository.putTags(references, rawManifest(image), options, started.lookups)];
  } catch (error) {
    signal.throwIfAborted();
    if (!isPushFault(error)) throw error;
    return [repository, references.map((reference) => ({ reference, outcome: "incomplete", error }))];
  }
}

async function copyBlobs(
  { image, base, layers, monitor }: AppPush,
  source: RegistryRepository | undefined,
  repository: RegistryRepository,
  signal: AbortSignal,
): Promise<void> {
  const options = { priority: APP_PRIORITY, signal, monitor, image: "app" } as const;
  const own = image.layers.slice(base.layers.length);
  const contentOf = ({ content }: PushedLayer, descriptor: Descriptor): RegistryContent =>
    content.kind === "built" && source !== undefined
      ? { kind: "existing", descriptor, from: source, otherwise: content }
      : content;
  await Promise.all([
    repository.putBytes(image.configBytes, options),
    pushBaseLayers(base.layers, base.from, repository, { monitor, signal }),
    ...layers.map((layer, i) =>
      pushLayer(contentOf(layer, own[i] as Descriptor), repository, { ...options, layer: layer.id }),
    ),
  ]);
}
