import type { Digest } from "../../oci/digest.ts";
import type { Reference } from "../../oci/reference.ts";
import { type Connection, persist, type Work } from "./connection.ts";
import { headManifest, putManifest } from "./manifests.ts";

export interface TagResult {
  readonly reference: Reference;
  readonly outcome: "pushed" | "unchanged" | "failed";
  readonly error?: unknown;
}

/** What names of a repository point to, as they were looked up early; undefined where that failed. */
export type TagLookups = ReadonlyMap<Reference, Promise<Digest | "" | "nothing" | undefined>>;

/**
 * Looks up names while an image's blobs are still on their way, so that its manifests can follow those at once. A failure is left
 * to {@link putTags}.
 */
export function lookUpTags(connection: Connection, references: readonly Reference[], work: Work): TagLookups {
  const lookUp = async ({ identifier }: Reference) =>
    (await headManifest(connection, identifier, "push,pull", work)) ?? "nothing";
  return new Map(references.map((reference) => [reference, lookUp(reference).catch(() => undefined)]));
}

/**
 * Pushes the manifest of an image whose blobs are in the repository, under all given names at once. A name that already
 * has the manifest is skipped (docs/compatibility.md#pushing-images). A name that fails does not stop the others.
 * @param lookups earlier lookups of the names
 * @returns the results in the order of the names
 */
export function putTags(
  connection: Connection,
  references: readonly Reference[],
  manifest: { readonly digest: Digest; readonly bytes: Buffer; readonly mediaType: string },
  work: Work,
  lookups: TagLookups = new Map(),
): Promise<TagResult[]> {
  const put = async (reference: Reference): Promise<TagResult> => {
    const { identifier } = reference;
    let known = await lookups.get(reference);
    // It may have been moved since.
    if (known === manifest.digest) known = undefined;
    let isSent = false;
    let isTaken = false;
    try {
      // A PUT whose answer was lost is seen by the next try.
      const push = async () => {
        const found = known ?? (await headManifest(connection, identifier, "push,pull", work));
        if (found === manifest.digest) return isSent ? "pushed" : "unchanged";
        isTaken = found !== undefined && found !== "nothing";
        known = undefined;
        isSent = true;
        await putManifest(connection, identifier, manifest, work);
        return "pushed";
      };
      // A PUT whose answer was lost is seen by the next try.
      const outcome = await persist(connection, work, `manifest ${identifier}`, push, () => isTaken);
      return { reference, outcome };
    } catch (error) {
      work.signal?.throwIfAborted();
      return { reference, outcome: "failed", error };
    }
  };
  return Promise.all(references.map(put));
}
