import type { Digest } from "../../oci/digest.ts";
import type { Repository } from "../../oci/reference.ts";
import { RegistryFault } from "../../transport/registry-fault.ts";
import { type Connection, pathOf, scopeOf, type Work } from "./connection.ts";

/** A blob that is wanted, and another repository of the same registry that has it. */
export interface MountSource {
  readonly digest: Digest;
  readonly from: Repository;
}

/** Either the blob is there now, or an upload was opened at this URL. */
export type Opened = { readonly mounted: true } | { readonly mounted: false; readonly location: URL };

/**
 * Opens an upload (distribution-spec v1.1.1, "Pushing a blob in chunks"), or mounts the blob instead of it ("Mounting a blob
 * from another repository"). A registry may answer a mount with an upload, which is used; one that fails on it is asked
 * again without it, as go-containerregistry does (its issues 1404 and 1679).
 */
export async function openUpload(connection: Connection, source: MountSource | undefined, work: Work): Promise<Opened> {
  if (source === undefined) return post(connection, "", [], work);
  // Quay fails when there is a mount without a from.
  const query = new URLSearchParams({ mount: source.digest, from: source.from.path });
  try {
    return await post(connection, `?${query}`, [scopeOf(source.from, "pull")], work);
  } catch (error) {
    if (!(error instanceof RegistryFault)) throw error;
    work.signal?.throwIfAborted();
    connection.logger.debug(`${error.message}, uploading instead of mounting`);
    return post(connection, "", [], work);
  }
}

async function post(connection: Connection, query: string, scopes: readonly string[], work: Work): Promise<Opened> {
  const answer = await connection.client.send({
    ...work,
    method: "POST",
    target: pathOf(connection, `blobs/uploads/${query}`),
    scopes: [scopeOf(connection.repository, "push,pull"), ...scopes],
    expected: [201, 202],
    headers: { "content-type": "application/json", "content-length": "0" },
  });
  // Without a mount, 201 would be an answer to something that was not asked.
  if (answer.status === 201 && query !== "") return { mounted: true };
  return { mounted: false, location: await connection.client.location(answer) };
}
