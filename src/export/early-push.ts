import type { Work } from "../destinations/registry/connection.ts";
import type { RegistryRepository } from "../destinations/registry/repository.ts";
import type { TagLookups } from "../destinations/registry/tag.ts";
import type { Reference } from "../oci/reference.ts";

/** What is done in a repository while an image's layers are on their way there, so that its manifest can follow those at once. */
export interface EarlyPush {
  /** Settles when the blobs that are no layers of the build are there. */
  readonly blobs: Promise<unknown>;
  readonly lookups: TagLookups;
}

/**
 * Starts it. A failure is told with the layers'.
 * @param blobs the config, and other small ones
 * @param names of the image in this repository
 */
export function pushEarly(
  repository: RegistryRepository,
  { blobs, names }: { readonly blobs: readonly Uint8Array[]; readonly names: readonly Reference[] },
  work: Work,
): EarlyPush {
  const put = Promise.all(blobs.map((bytes) => repository.putBytes(bytes, work)));
  put.catch(() => undefined);
  return { blobs: put, lookups: repository.lookUpTags(names, work) };
}
