import { DENIED, isTemporary, RegistryFault, UNREACHABLE } from "../../http/faults.ts";
import { isConnectTimeout } from "../../http/http-error.ts";

/** Consecutive restarts without progress after the registry lost the upload. */
const MAX_LOSSES = 4;

/** Wraps an error of the blob's producer as its cause. */
export class SourceFailure extends Error {}

export interface FailedAttempt {
  /** The blob's producer failed, such as another registry; the error says nothing about this one. */
  readonly isSource: boolean;
  readonly mayTryAgain: boolean;
  readonly isCut: boolean;
  /** Bytes that connections accepted beyond the `offset` of the last open upload. */
  readonly sentBytes: number;
}

/** The registry's open upload: the next request starts at `offset`; connections have accepted bytes up to `sent`. */
export interface OpenUpload {
  readonly offset: number;
  readonly sent: number;
  readonly isResumed: boolean;
}

/** The failed attempts of one blob's upload, and what they leave to try. */
export class UploadFailures {
  #last: FailedAttempt | undefined;
  #losses = 0;
  #failedQueries = 0;
  #mayResume = true;

  get last(): FailedAttempt | undefined {
    return this.#last;
  }

  /** False after the registry refused to continue at the offset that it had reported. */
  get mayResume(): boolean {
    return this.#mayResume;
  }

  /** @returns "lost" if the registry no longer has the open upload */
  add(thrown: unknown, upload: OpenUpload | undefined): "lost" | "kept" {
    const isSource = thrown instanceof SourceFailure;
    const isLost = upload !== undefined && classifyFailure(thrown, upload.isResumed) === "lost";
    this.#last = {
      isSource,
      mayTryAgain: isLost ? this.#losses++ < MAX_LOSSES : isTemporary(isSource ? thrown.cause : thrown),
      isCut: thrown instanceof RegistryFault && thrown.code === UNREACHABLE && !thrown.hasNeverAnswered,
      sentBytes: upload === undefined ? (this.#last?.sentBytes ?? 0) : upload.sent - upload.offset,
    };
    if (isLost && upload.isResumed) this.#mayResume = false;
    return isLost ? "lost" : "kept";
  }

  /** Forgets the losses: bytes were sent that had never been sent before. */
  onProgress(): void {
    this.#losses = 0;
  }

  /**
   * For a failed query of the offset. A registry that is down now may know the upload later; after a second failure, or
   * a silence after the request, the upload counts as lost.
   */
  addFailedQuery(error: RegistryFault): "lost" | "kept" {
    const isDown = error.isTemporary && (error.silentMs === 0 || isConnectTimeout(error.cause));
    return isDown && this.#failedQueries++ === 0 ? "kept" : "lost";
  }
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
