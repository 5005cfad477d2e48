import { posix } from "node:path";
import type { Reference } from "../../oci/reference.ts";

/**
 * The path of an image's layout: `<layout-dir>/<registry>/<repository>/<tag>`, or `.../sha256/<hex>` for a digest
 * (docs/compatibility.md#layout-paths).
 * @param layoutDir may be empty; the path is then relative to the working directory
 */
export function layoutPath(layoutDir: string, { repository, identifier }: Reference): string {
  return posix.join(layoutDir, repository.registry, repository.path, ...identifier.split(":"));
}
