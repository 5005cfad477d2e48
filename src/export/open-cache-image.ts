import type { RegistryRepository } from "../destinations/registry/repository.ts";
import { failTo, withContext } from "../faults/fault.ts";
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
  readonly previous: RegistryImage | undefined;
}

/** Opens the cache image (contract 6.1, 6.4). @throws Fault `failed to create image cache: accessing cache image ...` */
export async function openCacheImage(context: ExportContext, signal: AbortSignal): Promise<CacheImage | undefined> {
  const name = context.settings.cacheImage;
  if (name === "") return undefined;
  try {
    const reference = parseReference(name);
    const repository = context.registries.repository(reference);
    const platform = { os: "linux", architecture: "" };
    const image = await repository.findImage(reference, platform, { priority: CACHE_PRIORITY, signal });
    return { name, reference, repository, previous: image && new RegistryImage(repository, image) };
  } catch (error) {
    signal.throwIfAborted();
    throw failTo("create image cache", withContext(`accessing cache image "${name}"`, error));
  }
}
