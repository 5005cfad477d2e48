import { posix } from "node:path";

/** `<layers>/` and the buildpack's id with every `/` as `_` (docs/compatibility.md#buildpack-group). */
export function buildpackDirectory(layersDir: string, id: string): string {
  return posix.join(layersDir, id.replaceAll("/", "_"));
}
