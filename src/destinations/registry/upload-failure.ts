import { DENIED, RegistryFault } from "../../transport/registry-fault.ts";

/** The upload is gone, or does not continue where we thought. */
const LOST_CODES = new Set(["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"]);

/** Statuses of a registry that has no PATCH, or not this one. */
const NO_SUCH_METHOD = new Set([404, 405, 501]);

/** What a failed request of an open upload means for the upload. */
export type UploadFailure =
  /** It cannot go on although the registry is well: it is begun anew. */
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
