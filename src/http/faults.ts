import { STATUS_CODES } from "node:http";
import { Fault, type FaultCode, type FaultDetails, messageOf } from "../errors/fault.ts";
import { goValue } from "../go/format.ts";
import { anything, list, struct, text, unmarshal } from "../go/json-decode.ts";

/**
 * Query parameters of the registry protocol itself. Any other may be a signature or a token, because it most likely comes
 * from a redirect to a storage service (go-containerregistry internal/redact).
 */
const PUBLIC_PARAMETERS = new Set(["scope", "service", "mount", "from", "digest", "n", "last"]);

/** A URL for messages and logs: without password, and with the values of unknown query parameters replaced. */
export function redactUrl(url: URL): string {
  const shown = new URL(url);
  if (shown.password !== "") shown.password = "xxxxx";
  for (const name of new Set(shown.searchParams.keys()))
    if (!PUBLIC_PARAMETERS.has(name)) shown.searchParams.set(name, "REDACTED");
  return shown.href;
}

/**
 * The wait a Retry-After header asks for, in ms and never negative: seconds or a date (RFC 9110 section 10.2.3);
 * undefined for anything else.
 * @param nowMs the time since the epoch in ms
 */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER);
  // An HTTP date begins with the day's name; Date.parse alone would take "-1" or "5.5" for a date.
  if (!/^[A-Za-z]{3,9},? /.test(text)) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** The code of a fault of a request that nobody answered. */
export const UNREACHABLE = "EXPORT_REGISTRY_UNREACHABLE";

/** One element of a registry's error body (distribution-spec v1.1.1, "Error Codes"). */
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
}

/** A request to a registry or its token server that failed. */
export class RegistryFault extends Fault {
  /** The HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** True when the same request may succeed later. */
  readonly isTemporary: boolean;
  /** The wait in ms that the registry asked for. */
  readonly retryAfterMs: number | undefined;

  constructor(code: FaultCode, message: string, details: RegistryFaultDetails) {
    super(code, message, details);
    this.status = details.status;
    this.diagnostics = details.diagnostics ?? [];
    this.isTemporary = details.isTemporary;
    this.retryAfterMs = details.retryAfterMs;
  }

  override reworded(message: string, exitCode: number | undefined = this.exitCode): RegistryFault {
    return new RegistryFault(this.code, message, { ...this.#answer(), ...this.detailsForWrapping(exitCode) });
  }

  /** The same with another hint, and with what it was for. */
  withHint(hint: string, destination: string | undefined = this.destination, code = this.code): RegistryFault {
    return new RegistryFault(code, this.message, {
      ...this.#answer(),
      cause: this.cause,
      exitCode: this.exitCode,
      hint,
      destination,
    });
  }

  #answer(): RegistryFaultDetails {
    const { status, diagnostics, isTemporary, retryAfterMs } = this;
    return { status, diagnostics, isTemporary, retryAfterMs };
  }
}

/** The codes of faults that say that something is not there, or may not be read. */
export const NOT_FOUND: FaultCode = "EXPORT_REGISTRY_NOT_FOUND";
export const DENIED: FaultCode = "EXPORT_REGISTRY_DENIED";

export function isTemporary(error: unknown): boolean {
  return error instanceof RegistryFault && error.isTemporary;
}

export function askedWaitMs(error: unknown): number | undefined {
  return error instanceof RegistryFault ? error.retryAfterMs : undefined;
}

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

const errorBodyType = struct({ errors: list(struct({ code: text, message: text, detail: anything })) });

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
  return new RegistryFault(
    codeOfStatus(status),
    `${method} ${redactUrl(url)}: ${describeAnswer(answer, diagnostics)}`,
    {
      status,
      diagnostics,
      isTemporary: isTemporaryAnswer(status, diagnostics, waitMs),
      retryAfterMs: waitMs,
      destination: url.host,
    },
  );
}

function parseDiagnostics(body: string): readonly Diagnostic[] {
  const answer = unmarshal(body, errorBodyType);
  return answer.ok ? answer.value.errors : [];
}

function describeAnswer({ method, status, body }: FailedAnswer, diagnostics: readonly Diagnostic[]): string {
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

function codeOfStatus(status: number): FaultCode {
  if (status === 404) return NOT_FOUND;
  return status === 401 || status === 403 ? DENIED : "EXPORT_REGISTRY_REFUSED";
}

/** OpenSSL's ways to say that nobody we trust vouches for a certificate. */
const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** True for the code of an error that another authority to trust would have prevented. */
export function isUntrustedCode(code: string): boolean {
  return UNTRUSTED.has(code);
}

/** What is wrong with a server's certificate, in Go's words (crypto/tls); undefined for errors that it is not to blame for. */
export function certificateFailure(code: string): string | undefined {
  const reason = isUntrustedCode(code)
    ? "certificate signed by unknown authority"
    : code === "CERT_HAS_EXPIRED"
      ? "certificate has expired or is not yet valid"
      : undefined;
  return reason && `tls: failed to verify certificate: x509: ${reason}`;
}

/** Node's and undici's error codes in Go's words; the value's second part says whether another try may help. */
const KNOWN: Readonly<Record<string, readonly [text: string, isTemporary: boolean]>> = {
  ECONNREFUSED: ["connect: connection refused", true],
  ECONNRESET: ["read: connection reset by peer", true],
  ECONNABORTED: ["software caused connection abort", true],
  EMFILE: ["too many open files", true],
  ENFILE: ["too many open files in system", true],
  EPIPE: ["write: broken pipe", true],
  ETIMEDOUT: ["connect: connection timed out", true],
  EHOSTUNREACH: ["connect: no route to host", true],
  ENETUNREACH: ["connect: network is unreachable", true],
  ENOTFOUND: ["no such host", false],
  EAI_AGAIN: ["temporary failure in name resolution", true],
  UND_ERR_SOCKET: ["EOF", true],
  UND_ERR_CONNECT_TIMEOUT: ["dial tcp: i/o timeout", true],
  UND_ERR_HEADERS_TIMEOUT: ["timeout awaiting response headers", true],
  UND_ERR_BODY_TIMEOUT: ["timeout awaiting response body", true],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ["unexpected EOF", true],
  HPE_INVALID_EOF_STATE: ["unexpected EOF", true],
  ERR_SSL_WRONG_VERSION_NUMBER: ["http: server gave HTTP response to HTTPS client", false],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: ["http: server gave HTTP response to HTTPS client", false],
};

/** True for the fault of a server that is there, and that nothing but another certificate or setting makes one to talk to. */
export function isUntrusted({ cause }: RegistryFault): boolean {
  return isUntrustedCode(networkErrorCode(cause) ?? "");
}

/** Nothing took the connection. */
const NOT_CONNECTED = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT"]);

function hintFor(code: string, url: URL): string | undefined {
  if (isUntrustedCode(code))
    return `Add the CA of ${url.host} with SSL_CERT_FILE, or list the registry in -insecure-registry (CNB_INSECURE_REGISTRIES).`;
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID")
    return `Renew the certificate of ${url.host}, or set the clock of this machine.`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return `Use a name that the certificate of ${url.host} is for, or give it one for this name.`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return `Check the name ${url.hostname}, and the name servers of this machine or container.`;
  if (NOT_CONNECTED.has(code))
    return `Check that ${url.host} is up, and that the proxies fit (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).`;
  // A plain http server answers a TLS handshake with something that is not TLS, and the other way round.
  const isOtherProtocol = code.startsWith("ERR_SSL") || code === "EPROTO" || code.startsWith("HPE_");
  return isOtherProtocol
    ? `Check that ${url.host} is a registry that speaks ${url.protocol.slice(0, -1)}; list one that speaks plain HTTP in -insecure-registry (CNB_INSECURE_REGISTRIES).`
    : undefined;
}

function describeNetworkError(code: string, error: unknown): readonly [text: string, isTemporary: boolean] {
  const failure = certificateFailure(code);
  if (failure !== undefined) return [failure, false];
  return KNOWN[code] ?? [messageOf(error).trim(), false];
}

/**
 * The fault of a request that got no complete answer, worded as Go's `*url.Error`: `Get "<url>": <reason>`.
 * A fault that came out of the request's own body passes unchanged.
 */
export function networkFault(method: string, url: URL, error: unknown): unknown {
  const code = networkErrorCode(error);
  if (code === undefined) return error;
  const [text, isTemporary] = describeNetworkError(code, error);
  const hint = hintFor(code, url);
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  return new RegistryFault(UNREACHABLE, `${verb} "${redactUrl(url)}": ${addressOf(error)}${text}`, {
    isTemporary,
    destination: url.host,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

function networkErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  // Faults have codes of their own.
  return error.code.startsWith("EXPORT_") ? undefined : error.code;
}

/** `dial tcp <address>: ` for an error of connecting, as Go has it. */
function addressOf(error: unknown): string {
  if (!(error instanceof Error) || !("syscall" in error)) return "";
  if (error.syscall === "getaddrinfo" && "hostname" in error) return `dial tcp: lookup ${error.hostname}: `;
  if (error.syscall !== "connect" || !("address" in error) || !("port" in error)) return "";
  return `dial tcp ${error.address}:${error.port}: `;
}
