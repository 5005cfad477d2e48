import type { Logger } from "../flow/logger.ts";
import type { ReferenceSettings } from "./initial-settings.ts";

/** Step 5 of docs/compatibility.md#input-resolution. */
export function warnWithoutCache(settings: ReferenceSettings, logger: Logger): void {
  if (!hasCache(settings)) logger.warn("No cached data will be used, no cache specified.");
}

/** Step 6 of docs/compatibility.md#input-resolution. */
export function warnUnusedLaunchCache({ daemon, launchCacheDir }: ReferenceSettings, logger: Logger): void {
  if (!daemon && launchCacheDir !== "") logger.warn("Ignoring -launch-cache, only intended for use with -daemon");
}

/** A cache image or a cache directory was named. */
export function hasCache({ cacheImage, cacheDir }: ReferenceSettings): boolean {
  return cacheImage !== "" || cacheDir !== "";
}
