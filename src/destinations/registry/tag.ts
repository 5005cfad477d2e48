import type { Digest } from "../../oci/digest.ts";
import type { Reference } from "../../oci/reference.ts";
import { type Connection, persist, type Work } from "./connection.ts";
import { headManifest, putManifest } from "./manifest.ts";

/** What became of one name of an image. */
export interface TagResult {
  readonly reference: Reference;
  readonly outcome: "pushed" | "unchanged" | "failed";
  /** Why it failed. */
  readonly error?: unknown;
}

/**
 * Puts an image whose blobs are there under every given name of its repository, all names at once. A name that has the
 * manifest already is left alone (contract 9.5 step 2). One that fails does not hinder the others.
 * @returns the results in the order of the names
 */
export function putTags(
  connection: Connection,
  references: readonly Reference[],
  manifest: { readonly digest: Digest; readonly bytes: Buffer; readonly mediaType: string },
  work: Work,
): Promise<TagResult[]> {
  const put = async (reference: Reference): Promise<TagResult> => {
    const { identifier } = reference;
    let isSent = false;
    try {
      // A PUT whose answer was lost is seen by the next try.
      const outcome = await persist(connection, work, `manifest ${identifier}`, async () => {
        const found = await headManifest(connection, identifier, "push,pull", work);
        if (found === manifest.digest) return isSent ? "pushed" : "unchanged";
        isSent = true;
        await putManifest(connection, identifier, manifest, work);
        return "pushed";
      });
      return { reference, outcome };
    } catch (error) {
      work.signal?.throwIfAborted();
      return { reference, outcome: "failed", error };
    }
  };
  return Promise.all(references.map(put));
}
