import { absolutePath } from "./absolute-path.ts";
import { LAYERS_PLACEHOLDER } from "./flag-table.ts";
import type { ReferenceSettings } from "./initial-settings.ts";

/**
 * Replaces the first `<layers>` in paths that may contain it by the layers directory as given, also in paths from the
 * user (step 1 of docs/compatibility.md#input-resolution).
 */
export function replacePlaceholders(settings: ReferenceSettings): ReferenceSettings {
  const { layersDir } = settings;
  const placeholder = layersDir === "" ? `${LAYERS_PLACEHOLDER}/` : LAYERS_PLACEHOLDER;
  // A function, because a replacement text would have `$` patterns.
  const place = (path: string) => path.replace(placeholder, () => layersDir);
  return {
    ...settings,
    analyzedPath: place(settings.analyzedPath),
    extendedDir: place(settings.extendedDir),
    groupPath: place(settings.groupPath),
    projectMetadataPath: place(settings.projectMetadataPath),
    reportPath: place(settings.reportPath),
  };
}

/**
 * Makes the directories absolute that the reference makes absolute (docs/compatibility.md#input-resolution, step 2).
 * App and layers directory become the working directory when empty, as they do at the start of the reference's export.
 * @param cwd absolute, or "" when it was deleted
 */
export function makePathsAbsolute(settings: ReferenceSettings, cwd: string): ReferenceSettings {
  const absolute = (path: string) => absolutePath(cwd, path);
  const absoluteIfGiven = (path: string) => (path === "" ? path : absolute(path));
  return {
    ...settings,
    appDir: absolute(settings.appDir),
    layersDir: absolute(settings.layersDir),
    cacheDir: absoluteIfGiven(settings.cacheDir),
    launchCacheDir: absoluteIfGiven(settings.launchCacheDir),
  };
}
