import { DENIED, RegistryFault } from "../../http/faults.ts";
import { headerOf } from "../../http/http.ts";
import type { RegistryResponse } from "./client.ts";
import { type Connection, scopeOf, type Work } from "./connection.ts";

/** Milliseconds an aborted export waits for a registry to cancel an upload, of the second it has to exit. */
export const CANCEL_TIMEOUT_MS = 400;

/**
 * Cancels an open upload (distribution-spec v1.1.1, "Canceling"). Never rejects: a registry that cannot cancel expires
 * the upload. Uses a separate token, because a token server may deny the right to delete, and pushes must not depend on
 * it.
 */
export async function cancelUpload({ client, repository }: Connection, location: URL, work: Work): Promise<void> {
  const scopes = [scopeOf(repository, "push,pull,delete")];
  const request = { method: "DELETE", target: location, scopes, expected: [200, 202, 204, 404] } as const;
  await client.send({ ...work, ...request }).catch(() => undefined);
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
  work: Work,
): Promise<UploadStatus | undefined> {
  const response = await connection.client.send({
    ...work,
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

const LOST_CODES = new Set(["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"]);

const NO_SUCH_METHOD = new Set([404, 405, 501]);

export type UploadFailure = "lost" | "monolithic" | "length" | "other";

/**
 * How to continue: "lost" restarts an upload that is gone although the registry is healthy, "other" retries or fails.
 * @param isResumed the request continued at the offset that the registry reported. Some report it wrongly (ECR:
 * https://github.com/aws/containers-roadmap/issues/2831) or then accept only small chunks (GHCR), so any refusal
 * restarts the upload
 */
export function classifyFailure(error: unknown, isResumed: boolean): UploadFailure {
  if (!(error instanceof RegistryFault)) return "other";
  const { status, diagnostics } = error;
  const codes = diagnostics.map(({ code }) => code);
  if (status === 416 || codes.some((code) => LOST_CODES.has(code))) return "lost";
  if (error.isTemporary || error.code === DENIED) return "other";
  if (isResumed) return "lost";
  if (status === 411) return "length";
  if (codes.includes("UNSUPPORTED") || (NO_SUCH_METHOD.has(status ?? 0) && codes.length === 0)) return "monolithic";
  // A proxy that timed out on a stalled body reports a malformed request.
  return status === 400 && codes.length === 0 ? "lost" : "other";
}
