import { posix } from "node:path";
import type { Reference } from "../../oci/reference.ts";

/**
 * Where an image's layout is: `<layout-dir>/<registry>/<repository>/<tag>`, or `.../sha256/<hex>` for a digest (contract
 * 11.2).
 * @param layoutDir may be empty; the path is then relative to the working directory
 */
export function layoutPath(layoutDir: string, { repository, identifier }: Reference): string {
  return posix.join(layoutDir, repository.registry, repository.path, ...identifier.split(":"));
}
