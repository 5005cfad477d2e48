import { Fault, messageOf } from "../../errors/fault.ts";
import { RegistryFault } from "../../http/faults.ts";
import { headerOf } from "../../http/http.ts";
import type { Digest } from "../../oci/digest.ts";
import type { Repository } from "../../oci/reference.ts";
import type { RegistryResponse } from "./client.ts";
import { type Connection, pathOf, type RequestOptions, scopeOf } from "./connection.ts";
import { withRetries } from "./retries.ts";

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
export async function openUpload(
  connection: Connection,
  source: MountSource | undefined,
  options: RequestOptions,
): Promise<Opened> {
  if (source === undefined) return post(connection, "", [], options);
  // Quay rejects a mount without `from`.
  const query = new URLSearchParams({ mount: source.digest, from: source.from.path });
  try {
    return await post(connection, `?${query}`, [scopeOf(source.from, "pull")], options);
  } catch (error) {
    options.signal?.throwIfAborted();
    // Also a token server that denies the other repository.
    if (!(error instanceof Fault)) throw error;
    connection.logger.debug(`${messageOf(error)}, uploading instead of mounting`);
    return post(connection, "", [], options);
  }
}

async function post(
  connection: Connection,
  query: string,
  scopes: readonly string[],
  options: RequestOptions,
): Promise<Opened> {
  const response = await connection.client.send({
    ...options,
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

/** Milliseconds an aborted export waits for a registry to cancel an upload, of the second it has to exit. */
export const CANCEL_TIMEOUT_MS = 400;

/**
 * Cancels an open upload (distribution-spec v1.1.1, "Canceling"). Never rejects: a registry that cannot cancel expires
 * the upload. Uses a separate token, because a token server may deny the right to delete, and pushes must not depend on
 * it.
 */
export async function cancelUpload(
  { client, repository }: Connection,
  location: URL,
  options: RequestOptions,
): Promise<void> {
  const scopes = [scopeOf(repository, "push,pull,delete")];
  const request = { method: "DELETE", target: location, scopes, expected: [200, 202, 204, 404] } as const;
  await client.send({ ...options, ...request }).catch(() => undefined);
}

export interface UploadStatus {
  readonly location: URL;
  readonly offset: number;
}

/**
 * Queries the offset of an upload (distribution-spec v1.1.1, "Resuming an interrupted upload").
 * @param sent upper bound: bytes sent in this upload
 * @returns undefined for an invalid response, which is frequent; the upload then restarts
 * @throws RegistryFault
 */
export async function readUploadStatus(
  connection: Connection,
  location: URL,
  sent: number,
  options: RequestOptions,
): Promise<UploadStatus | undefined> {
  const response = await connection.client.send({
    ...options,
    method: "GET",
    target: location,
    scopes: [scopeOf(connection.repository, "push,pull")],
    expected: [200, 204],
    headersTimeoutMs: connection.timeouts.statusMs,
  });
  const offset = offsetOf(response);
  if (offset === undefined || offset > sent) return undefined;
  const next = headerOf(response, "location");
  return { location: next === undefined ? location : await connection.client.location(response), offset };
}

/**
 * The number of bytes in a Range header `0-<last>`. Some registries write `0-0` for none, others for one byte, so it is
 * ignored.
 */
function offsetOf(response: RegistryResponse): number | undefined {
  const last = /^(?:bytes[= ])?0-(\d+)$/.exec(headerOf(response, "range") ?? "")?.[1];
  return last === undefined || last === "0" ? undefined : Number(last) + 1;
}

const FINAL = new Set([401, 403, 404, 405]);

/**
 * Checks push access by opening an upload and canceling it, like go-containerregistry's `CheckPushPermission`: a token
 * proves nothing, because Docker Hub issues one to everyone. Retries while the registry is busy. The push reports a
 * registry that never answers, or whose `/v2/` does not answer like one: that says nothing about access.
 * @throws RegistryFault of the refusal
 */
export async function checkPush(connection: Connection, options: RequestOptions): Promise<void> {
  let location: URL;
  try {
    const opened = await withRetries(connection, options, "an upload", () =>
      openUpload(connection, undefined, options),
    );
    if (opened.mounted) return;
    location = opened.location;
  } catch (error) {
    options.signal?.throwIfAborted();
    const isRefused = error instanceof RegistryFault && !error.isTemporary && FINAL.has(error.status ?? 0);
    if (isRefused && connection.client.isOpen) throw error;
    return;
  }
  void cancelUpload(connection, location, options);
}
