import type { Reference } from "../../oci/reference.ts";
import type { Connection, RequestOptions } from "./connection.ts";
import { headManifest, type ManifestLookup, putManifest, type RawManifest } from "./manifests.ts";
import { withRetries } from "./retries.ts";

/** "pushed": the name refers to the manifest. "incomplete": a blob failed, so the manifest was not sent. */
export interface TagResult {
  readonly reference: Reference;
  readonly outcome: "pushed" | "failed" | "incomplete";
  readonly error?: unknown;
}

/** Undefined: the lookup failed. */
export type TagLookups = ReadonlyMap<Reference, Promise<ManifestLookup | undefined>>;

export function lookUpTags(
  connection: Connection,
  references: readonly Reference[],
  options: RequestOptions,
): TagLookups {
  const lookUp = ({ identifier }: Reference) => headManifest(connection, identifier, "push,pull", options);
  return new Map(references.map((reference) => [reference, lookUp(reference).catch(() => undefined)]));
}

/**
 * Pushes the manifest of an image whose blobs are in the repository, under all names at once. Skips names that already
 * point to it (docs/compatibility.md#pushing-images). Results are in the names' order.
 * @param lookups earlier ones; those that failed are repeated
 */
export function putTags(
  connection: Connection,
  references: readonly Reference[],
  manifest: RawManifest,
  options: RequestOptions,
  lookups: TagLookups = new Map(),
): Promise<TagResult[]> {
  const isCurrent = (found: ManifestLookup | undefined) => found?.kind === "found" && found.digest === manifest.digest;
  const put = async (reference: Reference): Promise<TagResult> => {
    const { identifier } = reference;
    let known = await lookups.get(reference);
    // The tag may have moved since.
    if (isCurrent(known)) known = undefined;
    let isOverwrite = false;
    try {
      // If the response to a PUT was lost, the next attempt finds the manifest.
      const push = async () => {
        const found = known ?? (await headManifest(connection, identifier, "push,pull", options));
        if (isCurrent(found)) return;
        isOverwrite = found.kind === "found";
        known = undefined;
        await putManifest(connection, identifier, manifest, options);
      };
      await withRetries(connection, options, `manifest ${identifier}`, push, () => isOverwrite);
      return { reference, outcome: "pushed" };
    } catch (error) {
      options.signal?.throwIfAborted();
      return { reference, outcome: "failed", error };
    }
  };
  return Promise.all(references.map(put));
}
