import { DENIED, RegistryFault } from "../../http/faults.ts";
import { headerOf } from "../../http/http.ts";
import type { Answer } from "./client.ts";
import { type Connection, scopeOf, type Work } from "./connection.ts";

/** How long in ms an aborted export waits for a registry to take back an upload: it has a second in all to end. */
export const CANCEL_MS = 400;

/**
 * Tells the registry that nothing will come of an open upload (distribution-spec v1.1.1, "Canceling"). Never rejects: a
 * registry that cannot do it forgets the upload by itself.
 */
export async function cancelUpload({ client, repository }: Connection, location: URL, work: Work): Promise<void> {
  const scopes = [scopeOf(repository, "push,pull")];
  const request = { method: "DELETE", target: location, scopes, expected: [200, 202, 204, 404] } as const;
  await client.send({ ...work, ...request }).catch(() => undefined);
}

export interface UploadStatus {
  readonly location: URL;
  readonly offset: number;
}

/**
 * Asks an upload how far it got (distribution-spec v1.1.1, "Resuming an interrupted upload"); undefined when the answer
 * makes no sense, which is frequent: the upload is then begun anew.
 * @param sent bytes that were sent in this upload at most
 * @throws RegistryFault
 */
export async function readUploadStatus(
  connection: Connection,
  location: URL,
  sent: number,
  work: Work,
): Promise<UploadStatus | undefined> {
  const answer = await connection.client.send({
    ...work,
    method: "GET",
    target: location,
    scopes: [scopeOf(connection.repository, "push,pull")],
    expected: [200, 204],
  });
  const offset = offsetOf(answer);
  if (offset === undefined || offset > sent) return undefined;
  const next = headerOf(answer, "location");
  return { location: next === undefined ? location : await connection.client.location(answer), offset };
}

/**
 * The number of bytes that a Range header `0-<last>` stands for. `0-0` is how some registries write "none", and others one
 * byte: it is not believed.
 */
function offsetOf(answer: Answer): number | undefined {
  const last = /^(?:bytes[= ])?0-(\d+)$/.exec(headerOf(answer, "range") ?? "")?.[1];
  return last === undefined || last === "0" ? undefined : Number(last) + 1;
}

/** The upload is gone, or does not continue where we thought. */
const LOST_CODES = new Set(["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"]);

/** Statuses of a registry that has no PATCH, or not this one. */
const NO_SUCH_METHOD = new Set([404, 405, 501]);

/** What a failed request of an open upload means for the upload. */
export type UploadFailure =
  /** The upload is gone although the registry is healthy; restart it. */
  | "lost"
  /** The registry takes blobs in one piece only. */
  | "monolithic"
  /** The registry wants to know the length of a body before it begins. */
  | "length"
  /** The registry does not want the blob, or may want it later. */
  | "other";

/**
 * @param isResumed part of the blob was sent before, from where the registry said that it stopped. Some say that falsely (ECR:
 * aws/containers-roadmap issue 2831) or take only small pieces then (GHCR), so any refusal leads to a new upload
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
  // A proxy that has no patience with a body that stands still says that it is malformed.
  return status === 400 && codes.length === 0 ? "lost" : "other";
}
