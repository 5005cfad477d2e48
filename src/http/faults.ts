import { STATUS_CODES } from "node:http";
import { Fault, type FaultCode, type FaultDetails } from "../errors/fault.ts";
import { withoutSecrets } from "../errors/secrets.ts";
import { goValue } from "../go/format.ts";
import { anything, list, struct, text, unmarshal } from "../go/json-decode.ts";
import { loginHint, PROXY_LOGIN_HINT } from "./network-hints.ts";
import type { ProxyLogin } from "./tunnel.ts";

/**
 * Query parameters that messages and logs may show: those of the registry protocol. Any other may be a signature or
 * token, most likely of a redirect to a storage service (go-containerregistry internal/redact).
 */
const PUBLIC_PARAMETERS = new Set(["scope", "service", "mount", "from", "digest", "n", "last"]);

export function redactUrl(url: URL): string {
  const shown = new URL(url);
  shown.hash = "";
  if (shown.password !== "") shown.password = "xxxxx";
  for (const name of new Set(shown.searchParams.keys()))
    if (!PUBLIC_PARAMETERS.has(name)) shown.searchParams.set(name, "REDACTED");
  return shown.href;
}

/**
 * Parses a Retry-After header, in seconds or as a date (RFC 9110 section 10.2.3).
 * @param nowMs milliseconds since the epoch, from {@link serverTimeMs}: a server's dates refer to its own clock
 * @returns milliseconds, never negative; undefined for anything else
 */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER);
  // An HTTP date starts with a weekday; Date.parse alone would accept "-1" or "5.5".
  if (!/^[A-Za-z]{3,9},? /.test(text)) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

export function serverTimeMs(date: string | undefined): number {
  return Date.parse(date ?? "") || Date.now();
}

export const UNREACHABLE = "EXPORT_REGISTRY_UNREACHABLE";

export interface Diagnostic {
  readonly code: string;
  readonly message: string;
  readonly detail: unknown;
}

export interface RegistryFaultDetails extends FaultDetails {
  readonly status?: number | undefined;
  readonly diagnostics?: readonly Diagnostic[];
  readonly isTemporary: boolean;
  readonly retryAfterMs?: number | undefined;
  readonly silentMs?: number;
  readonly hasNeverAnswered?: boolean;
  readonly isElsewhere?: boolean;
}

/**
 * `silentMs`: how long the request made no progress before it failed, 0 if it failed at once. `hasNeverAnswered`: no
 * connection was accepted, on a host that has never answered, so most likely the name is wrong. `isElsewhere`: the host
 * is one that the registry referred to.
 */
export class RegistryFault extends Fault {
  readonly status: number | undefined;
  readonly diagnostics: readonly Diagnostic[];
  readonly isTemporary: boolean;
  readonly retryAfterMs: number | undefined;
  readonly silentMs: number;
  readonly hasNeverAnswered: boolean;
  readonly isElsewhere: boolean;

  constructor(code: FaultCode, message: string, details: RegistryFaultDetails) {
    super(code, message, details);
    this.status = details.status;
    this.diagnostics = details.diagnostics ?? [];
    this.isTemporary = details.isTemporary;
    this.retryAfterMs = details.retryAfterMs;
    this.silentMs = details.silentMs ?? 0;
    this.hasNeverAnswered = details.hasNeverAnswered ?? false;
    this.isElsewhere = details.isElsewhere ?? false;
  }

  override reworded(message: string, exitCode: number | undefined = this.exitCode): RegistryFault {
    return new RegistryFault(this.code, message, { ...this.#details(), ...this.detailsForWrapping(exitCode) });
  }

  withHint(hint: string, destination: string | undefined = this.destination, code = this.code): RegistryFault {
    return this.#with({ hint, destination }, code);
  }

  /** Keeps its own hint, and adds a sentence. */
  withAnotherHint(sentence: string): RegistryFault {
    return this.withHint(this.#hintAnd(sentence));
  }

  fromElsewhere(advice: string): RegistryFault {
    return this.#with({ hint: this.#hintAnd(advice), isElsewhere: true });
  }

  #with(changes: Partial<RegistryFaultDetails>, code = this.code): RegistryFault {
    const { message, cause, exitCode, destination } = this;
    return new RegistryFault(code, message, { ...this.#details(), cause, exitCode, destination, ...changes });
  }

  #hintAnd(sentence: string): string {
    return this.ownHint === undefined ? sentence : `${this.ownHint} ${sentence}`;
  }

  #details(): RegistryFaultDetails {
    const { status, diagnostics, isTemporary, retryAfterMs, silentMs, hasNeverAnswered, isElsewhere } = this;
    return { status, diagnostics, isTemporary, retryAfterMs, silentMs, hasNeverAnswered, isElsewhere };
  }
}

export const NOT_FOUND: FaultCode = "EXPORT_REGISTRY_NOT_FOUND";
export const DENIED: FaultCode = "EXPORT_REGISTRY_DENIED";

export function isTemporary(error: unknown): boolean {
  return error instanceof RegistryFault && error.isTemporary;
}

export function askedWaitMs(error: unknown): number | undefined {
  return error instanceof RegistryFault ? error.retryAfterMs : undefined;
}

export const MAX_ERROR_BODY_BYTES = 64 << 10;

const MAX_SHOWN_BODY = 1024;

const TEMPORARY_CLIENT_ERRORS = new Set([408, 421, 423, 425, 429, 499]);

const PERMANENT_SERVER_ERRORS = new Set([501, 505, 507, 510, 511]);

const TEMPORARY_CODES = new Set(["BLOB_UPLOAD_INVALID", "TOOMANYREQUESTS", "UNKNOWN", "UNAVAILABLE"]);

const GO_STATUS_TEXT: Readonly<Record<number, string>> = {
  413: "Request Entity Too Large",
  414: "Request URI Too Long",
  416: "Requested Range Not Satisfiable",
};

const errorBodyType = struct({ errors: list(struct({ code: text, message: text, detail: anything })) });

export interface FailedResponse {
  readonly method: string;
  readonly url: URL;
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly date?: string | undefined;
  readonly body: string;
  /** The login that the proxy which forwarded the request requires. */
  readonly proxyLogin?: (ProxyLogin & { readonly proxy: string }) | undefined;
}

/**
 * The fault of a response with an unexpected status, in the reference's words (docs/compatibility.md#registry-errors).
 */
export function responseFault(response: FailedResponse): RegistryFault {
  const { method, url, status, body } = response;
  // A caller of the library may print the whole fault.
  const diagnostics = parseDiagnostics(withoutSecrets(body));
  const waitMs = retryAfterMs(response.retryAfter, serverTimeMs(response.date));
  return new RegistryFault(
    codeOfStatus(status),
    `${method} ${redactUrl(url)}: ${describeResponse(response, diagnostics)}`,
    {
      status,
      diagnostics,
      isTemporary: isTemporaryResponse(status, diagnostics, waitMs),
      retryAfterMs: waitMs,
      destination: url.host,
      hint: hintOf(response),
    },
  );
}

function hintOf({ status, url, body, proxyLogin }: FailedResponse): string | undefined {
  if (proxyLogin !== undefined) return loginHint(proxyLogin.proxy, proxyLogin);
  if (status === 407) return PROXY_LOGIN_HINT;
  return status === 500 && body.includes("no space left on device")
    ? `Make room on the disk of ${url.host}.`
    : undefined;
}

function parseDiagnostics(body: string): readonly Diagnostic[] {
  const response = unmarshal(body, errorBodyType);
  return response.ok ? response.value.errors : [];
}

function describeResponse({ method, status, body }: FailedResponse, diagnostics: readonly Diagnostic[]): string {
  const [first, ...more] = diagnostics.map(
    ({ code, message, detail }) => `${code}: ${message}${detail == null ? "" : `; ${goValue(detail)}`}`,
  );
  if (first !== undefined)
    return more.length === 0 ? first : `multiple errors returned: ${[first, ...more].join("; ")}`;
  const text = `unexpected status code ${status} ${GO_STATUS_TEXT[status] ?? STATUS_CODES[status] ?? ""}`;
  if (body !== "") return `${text}: ${body.slice(0, MAX_SHOWN_BODY)}`;
  return method === "HEAD" ? `${text} (HEAD responses have no body, use GET for details)` : text;
}

function isTemporaryResponse(status: number, diagnostics: readonly Diagnostic[], waitMs: number | undefined): boolean {
  if (status >= 500 ? !PERMANENT_SERVER_ERRORS.has(status) : TEMPORARY_CLIENT_ERRORS.has(status)) return true;
  // GitHub also sends rate limits as 403, and then says for how long.
  if (status === 403) return waitMs !== undefined;
  if (status === 401) return false;
  return diagnostics.length > 0 && diagnostics.every(({ code }) => TEMPORARY_CODES.has(code));
}

function codeOfStatus(status: number): FaultCode {
  if (status === 404) return NOT_FOUND;
  return status === 401 || status === 403 ? DENIED : "EXPORT_REGISTRY_REFUSED";
}
