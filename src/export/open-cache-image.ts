import type { RegistryRepository } from "../destinations/registry/repository.ts";
import { Fault, failTo, withContext } from "../faults/fault.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { CACHE_PRIORITY } from "../plan/layer-plan.ts";
import type { ExportContext } from "./context.ts";
import { RegistryImage } from "./registry-image.ts";

/** The cache image's name, and what is under it now. */
export interface CacheImage {
  /** As given. */
  readonly name: string;
  readonly reference: Reference;
  readonly repository: RegistryRepository;
  /** Rejects when the name may not be pushed. */
  readonly access: Promise<void>;
  readonly previous: RegistryImage | undefined;
  /** There is something under the name that cannot be an image, so that it is of no use as a previous one. */
  readonly isCorrupt: boolean;
}

/** What is wrong with bytes that a registry gave out, rather than with the registry. */
const CORRUPT = /^EXPORT_(?:IMAGE|REGISTRY_DIGEST)/;

/**
 * Opens the cache image (docs/compatibility.md#cache-selection). @throws Fault
 * `failed to create image cache: accessing cache image ...`
 */
export async function openCacheImage(context: ExportContext, signal: AbortSignal): Promise<CacheImage> {
  const name = context.settings.cacheImage;
  try {
    const reference = parseReference(name);
    const repository = context.registries.repository(reference);
    const access = repository.checkPush({ priority: CACHE_PRIORITY, signal });
    access.catch(() => undefined);
    const opened = await openPrevious(repository, reference, signal).catch((error: unknown) => {
      // A damaged cache image is replaced, like one whose layers are gone (docs/compatibility.md#damaged-cache-images);
      // it must not break builds for good.
      if (error instanceof Fault && CORRUPT.test(error.code)) return { previous: undefined, isCorrupt: true };
      throw error;
    });
    return { name, reference, repository, access, ...opened };
  } catch (error) {
    signal.throwIfAborted();
    throw failTo("create image cache", withContext(`accessing cache image "${name}"`, error));
  }
}

async function openPrevious(repository: RegistryRepository, reference: Reference, signal: AbortSignal) {
  const platform = { os: "linux", architecture: "" };
  const image = await repository.findImage(reference, platform, { priority: CACHE_PRIORITY, signal });
  return { previous: image && new RegistryImage(repository, image), isCorrupt: false };
}
