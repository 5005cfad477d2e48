import { type OpeningCache, openCache } from "../caches/open.ts";
import type { RunImage, SourceImage } from "../destinations/destination.ts";
import { refusalSignal } from "../destinations/registry/access.ts";
import type { ExportContext } from "./context.ts";

/** The cache, and the images that an export reads from, on their way. */
export interface OpeningImages {
  readonly cache: OpeningCache;
  readonly runImage: Promise<RunImage>;
  readonly previous: Promise<SourceImage | undefined>;
  /** Fires when the app image may not be saved, and nothing that is opened here has failed. */
  readonly refused: AbortSignal;
  /** Settles when the app image's destination has its launch cache, if it has one. */
  readonly launchCache: Promise<void>;
  /** Rejects like the first of them that fails, in the reference's order. */
  readonly all: Promise<void>;
}

/** Starts to open all images at once. */
export function openImages(context: ExportContext, signal: AbortSignal): OpeningImages {
  const cache = openCache(context, signal);
  const runImage = context.app.openRunImage(signal);
  const previous = context.app.openPreviousImage(signal);
  const launchCache = context.app.openLaunchCache((path) => context.store.hashFile(path));
  for (const opening of [cache.store, cache.planned, runImage, previous, launchCache]) opening.catch(() => undefined);
  const inOrder = async (): Promise<void> => {
    for (const opening of [cache.store, previous, runImage, launchCache]) await opening;
  };
  const all = inOrder();
  // Nobody waits for them if something else fails first.
  all.catch(() => undefined);
  const refused = refusalSignal(context.app.checkAccess(signal), all);
  return { cache, runImage, previous, refused, launchCache, all };
}
