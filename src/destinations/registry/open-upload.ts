import { Fault, messageOf } from "../../errors/fault.ts";
import { RegistryFault } from "../../http/faults.ts";
import { headerOf } from "../../http/http.ts";
import type { Digest } from "../../oci/digest.ts";
import type { Repository } from "../../oci/reference.ts";
import { type Connection, pathOf, scopeOf, type Work } from "./connection.ts";
import { persist } from "./retries.ts";
import { cancelUpload } from "./upload-recovery.ts";

export interface MountSource {
  readonly digest: Digest;
  readonly from: Repository;
}

export type Opened =
  | { readonly mounted: true }
  | {
      readonly mounted: false;
      readonly location: URL;
      /** Minimum bytes of a chunk that is not the last (`OCI-Chunk-Min-Length`); 0 if unlimited. */
      readonly chunkMinBytes: number;
    };

/**
 * Opens an upload (distribution-spec v1.1.1, "Pushing a blob in chunks"), or mounts the blob ("Mounting a blob from
 * another repository"). A registry may answer a mount with an upload, which is used; if the mount fails, an upload is
 * requested instead, as in go-containerregistry (its issues 1404 and 1679).
 */
export async function openUpload(connection: Connection, source: MountSource | undefined, work: Work): Promise<Opened> {
  if (source === undefined) return post(connection, "", [], work);
  // Quay rejects a mount without `from`.
  const query = new URLSearchParams({ mount: source.digest, from: source.from.path });
  try {
    return await post(connection, `?${query}`, [scopeOf(source.from, "pull")], work);
  } catch (error) {
    work.signal?.throwIfAborted();
    // Also a token server that denies the other repository.
    if (!(error instanceof Fault)) throw error;
    connection.logger.debug(`${messageOf(error)}, uploading instead of mounting`);
    return post(connection, "", [], work);
  }
}

async function post(connection: Connection, query: string, scopes: readonly string[], work: Work): Promise<Opened> {
  const response = await connection.client.send({
    ...work,
    method: "POST",
    target: pathOf(connection, `blobs/uploads/${query}`),
    scopes: [scopeOf(connection.repository, "push,pull"), ...scopes],
    expected: [201, 202],
    headers: { "content-type": "application/json", "content-length": "0" },
  });
  // Without a mount, a 201 has no meaning.
  if (response.status === 201 && query !== "") return { mounted: true };
  const chunkMinBytes = Number(headerOf(response, "oci-chunk-min-length") ?? 0) || 0;
  return { mounted: false, location: await connection.client.location(response), chunkMinBytes };
}

const FINAL = new Set([401, 403, 404, 405]);

/**
 * Checks push access by opening an upload and canceling it, like go-containerregistry's `CheckPushPermission`: a token
 * proves nothing, because Docker Hub issues one to everyone. Retries while the registry is busy. The push reports a
 * registry that never answers, or whose `/v2/` does not answer like one: that says nothing about access.
 * @throws RegistryFault of the refusal
 */
export async function checkPush(connection: Connection, work: Work): Promise<void> {
  let location: URL;
  try {
    const opened = await persist(connection, work, "an upload", () => openUpload(connection, undefined, work));
    if (opened.mounted) return;
    location = opened.location;
  } catch (error) {
    work.signal?.throwIfAborted();
    const isRefused = error instanceof RegistryFault && !error.isTemporary && FINAL.has(error.status ?? 0);
    if (isRefused && connection.client.isOpen) throw error;
    return;
  }
  void cancelUpload(connection, location, work);
}
