import { STATUS_CODES } from "node:http";
import { z } from "zod";
import type { FaultCode } from "../faults/fault.ts";
import { goValue } from "./go-value.ts";
import { redactUrl } from "./redact.ts";
import { DENIED, type Diagnostic, NOT_FOUND, RegistryFault } from "./registry-fault.ts";
import { retryAfterMs } from "./retry-after.ts";

/** Bytes of an error body that are read, as in go-containerregistry (transport/error.go). */
export const MAX_ERROR_BODY_BYTES = 64 << 10;

/** Characters of a body without structure that a message repeats: enough for a proxy's sentence, not for its whole page. */
const MAX_SHOWN_BODY = 1024;

/** Statuses that are retried (docs/compatibility.md#retries); 499 is nginx's, 522 Cloudflare's. */
const TEMPORARY_STATUSES = new Set([408, 429, 499, 500, 502, 503, 504, 522]);
const TEMPORARY_CODES = new Set(["BLOB_UPLOAD_INVALID", "TOOMANYREQUESTS", "UNKNOWN", "UNAVAILABLE"]);

/** Where Go's http.StatusText has another text than Node. */
const GO_STATUS_TEXT: Readonly<Record<number, string>> = {
  413: "Request Entity Too Large",
  414: "Request URI Too Long",
  416: "Requested Range Not Satisfiable",
};

const errorBodySchema = z.object({
  errors: z.array(
    z.object({ code: z.string(), message: z.string().default(""), detail: z.unknown().optional() }).readonly(),
  ),
});

export interface FailedAnswer {
  readonly method: string;
  readonly url: URL;
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The body's first bytes as text. */
  readonly body: string;
}

/**
 * The fault of a response with an unexpected status, in the reference's words (docs/compatibility.md#registry-errors).
 */
export function answerFault(answer: FailedAnswer): RegistryFault {
  const { method, url, status, body } = answer;
  const diagnostics = parseDiagnostics(body);
  const waitMs = retryAfterMs(answer.retryAfter, Date.now());
  return new RegistryFault(codeOf(status), `${method} ${redactUrl(url)}: ${describe(answer, diagnostics)}`, {
    status,
    diagnostics,
    isTemporary: isTemporaryAnswer(status, diagnostics, waitMs),
    retryAfterMs: waitMs,
    destination: url.host,
  });
}

function parseDiagnostics(body: string): readonly Diagnostic[] {
  try {
    return errorBodySchema
      .parse(JSON.parse(body))
      .errors.map(({ code, message, detail }) => ({ code, message, detail }));
  } catch {
    return [];
  }
}

function describe({ method, status, body }: FailedAnswer, diagnostics: readonly Diagnostic[]): string {
  const [first, ...more] = diagnostics.map(
    ({ code, message, detail }) => `${code}: ${message}${detail == null ? "" : `; ${goValue(detail)}`}`,
  );
  if (first !== undefined)
    return more.length === 0 ? first : `multiple errors returned: ${[first, ...more].join("; ")}`;
  const text = `unexpected status code ${status} ${GO_STATUS_TEXT[status] ?? STATUS_CODES[status] ?? ""}`;
  if (body !== "") return `${text}: ${body.slice(0, MAX_SHOWN_BODY)}`;
  return method === "HEAD" ? `${text} (HEAD responses have no body, use GET for details)` : text;
}

function isTemporaryAnswer(status: number, diagnostics: readonly Diagnostic[], waitMs: number | undefined): boolean {
  if (TEMPORARY_STATUSES.has(status)) return true;
  // GitHub's rate limits come as 403 too, and then say for how long.
  if (status === 403) return waitMs !== undefined;
  if (status === 401) return false;
  return diagnostics.length > 0 && diagnostics.every(({ code }) => TEMPORARY_CODES.has(code));
}

function codeOf(status: number): FaultCode {
  if (status === 404) return NOT_FOUND;
  return status === 401 || status === 403 ? DENIED : "EXPORT_REGISTRY_REFUSED";
}
