import { STATUS_CODES } from "node:http";
import { Fault, type FaultCode, type FaultDetails, messageOf } from "../errors/fault.ts";
import { goValue } from "../go/format.ts";
import { anything, list, struct, text, unmarshal } from "../go/json-decode.ts";
import { HttpError } from "./dial.ts";
import { MAX_HEAD_BYTES } from "./response-heads.ts";
import { isFinalRefusal, isHttp2Only, isUntrusted, tlsFailure, tlsHint } from "./tls-failures.ts";
import { ProxyRefusal } from "./tunnel.ts";

/**
 * Query parameters that messages and logs may show: those of the registry protocol. Any other may be a signature or
 * token, most likely of a redirect to a storage service (go-containerregistry internal/redact).
 */
const PUBLIC_PARAMETERS = new Set(["scope", "service", "mount", "from", "digest", "n", "last"]);

export function redactUrl(url: URL): string {
  const shown = new URL(url);
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
  readonly isStranger?: boolean;
}

/**
 * `silentMs`: how long the request made no progress before it failed, 0 if it failed at once. `isStranger`: no
 * connection was accepted, on a host that has never answered, so most likely the name is wrong.
 */
export class RegistryFault extends Fault {
  readonly status: number | undefined;
  readonly diagnostics: readonly Diagnostic[];
  readonly isTemporary: boolean;
  readonly retryAfterMs: number | undefined;
  readonly silentMs: number;
  readonly isStranger: boolean;

  constructor(code: FaultCode, message: string, details: RegistryFaultDetails) {
    super(code, message, details);
    this.status = details.status;
    this.diagnostics = details.diagnostics ?? [];
    this.isTemporary = details.isTemporary;
    this.retryAfterMs = details.retryAfterMs;
    this.silentMs = details.silentMs ?? 0;
    this.isStranger = details.isStranger ?? false;
  }

  override reworded(message: string, exitCode: number | undefined = this.exitCode): RegistryFault {
    return new RegistryFault(this.code, message, { ...this.#details(), ...this.detailsForWrapping(exitCode) });
  }

  withHint(hint: string, destination: string | undefined = this.destination, code = this.code): RegistryFault {
    return new RegistryFault(code, this.message, {
      ...this.#details(),
      cause: this.cause,
      exitCode: this.exitCode,
      hint,
      destination,
    });
  }

  #details(): RegistryFaultDetails {
    const { status, diagnostics, isTemporary, retryAfterMs, silentMs, isStranger } = this;
    return { status, diagnostics, isTemporary, retryAfterMs, silentMs, isStranger };
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
}

/**
 * The fault of a response with an unexpected status, in the reference's words (docs/compatibility.md#registry-errors).
 */
export function responseFault(response: FailedResponse): RegistryFault {
  const { method, url, status, body } = response;
  const diagnostics = parseDiagnostics(body);
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
      ...(status === 407 ? { hint: PROXY_LOGIN_HINT } : {}),
    },
  );
}

const PROXY_LOGIN_HINT =
  "Give the proxy's user and password in HTTPS_PROXY and HTTP_PROXY: http://user:password@host:port.";

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

const KNOWN: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  ECONNRESET: "read: connection reset by peer",
  ECONNABORTED: "software caused connection abort",
  EMFILE: "too many open files",
  ENFILE: "too many open files in system",
  EPIPE: "write: broken pipe",
  ETIMEDOUT: "connect: connection timed out",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "temporary failure in name resolution",
  HPE_INVALID_EOF_STATE: "unexpected EOF",
  ERR_SSL_WRONG_VERSION_NUMBER: "http: server gave HTTP response to HTTPS client",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "http: server gave HTTP response to HTTPS client",
};

const PLAIN_HTTP = new Set(["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG"]);

function isPermanentFailure(code: string, error: unknown): boolean {
  if (isBadCertificate(error)) return true;
  if (PLAIN_HTTP.has(code) || isFinalRefusal(code, error)) return true;
  // A request that undici rejects, such as one with a line feed in a header.
  return code === "UND_ERR_INVALID_ARG";
}

/** True if the server speaks TLS, and no retry can help. */
export function isRejectedByTls({ cause }: RegistryFault): boolean {
  return isBadCertificate(cause) || isFinalRefusal(networkErrorCode(cause) ?? "", cause);
}

function isBadCertificate(error: unknown): boolean {
  return error instanceof HttpError && error.isCertificate === true;
}

/**
 * An HTTP/2 connection starts with a SETTINGS frame of stream 0 (RFC 9113 section 3.4). A TLS server without HTTP/1.1
 * refuses the only protocol offered (ALPN) instead: {@link isHttp2Only}.
 */
function isHttp2(error: unknown): boolean {
  if (!(error instanceof Error) || !("data" in error) || typeof error.data !== "string") return false;
  const bytes = Buffer.from(error.data);
  return bytes.length >= 9 && bytes[0] === 0 && bytes[3] === 4 && bytes.readUInt32BE(5) === 0;
}

const NOT_CONNECTED = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "HTTP_CONNECT_TIMEOUT"]);

function hintFor(code: string, url: URL, error: unknown): string | undefined {
  if (isUntrusted(code))
    return `Add the CA of ${url.host} with SSL_CERT_FILE, or list the registry in -insecure-registry (CNB_INSECURE_REGISTRIES).`;
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID")
    return `Renew the certificate of ${url.host}, or set the clock of this machine.`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return `Use a name that the certificate of ${url.host} is for, or give it one for this name.`;
  if (code === "INVALID_PURPOSE")
    return `Give ${url.host} a certificate for servers (extendedKeyUsage serverAuth), from a CA that may sign it.`;
  if (isBadCertificate(error))
    return `Replace the certificate of ${url.host}, or that of its CA: the message says what is wrong with it.`;
  if (error instanceof ProxyRefusal) return proxyHint(error, url);
  if (isHttp2Only(error) || isHttp2(error))
    return `${url.host} speaks HTTP/2 only: enable HTTP/1.1 there, or in the load balancer before it.`;
  if (code === "HPE_HEADER_OVERFLOW") return `The headers of ${url.host} are longer than ${MAX_HEAD_BYTES} bytes.`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return `Check the name ${url.hostname}, and the name servers of this machine or container.`;
  if (NOT_CONNECTED.has(code))
    return `Check that ${url.host} is up, and that the proxies fit (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).`;
  const hint = PLAIN_HTTP.has(code) ? undefined : tlsHint(code, error, url.host);
  if (hint !== undefined) return hint;
  // A plain HTTP server answers a TLS handshake with something that is not TLS, and vice versa.
  const isOtherProtocol = code.startsWith("ERR_SSL") || code === "EPROTO" || code.startsWith("HPE_");
  return isOtherProtocol
    ? `Check that ${url.host} is a registry that speaks ${url.protocol.slice(0, -1)}; list one that speaks plain HTTP in -insecure-registry (CNB_INSECURE_REGISTRIES).`
    : undefined;
}

function proxyHint({ proxy, status }: ProxyRefusal, { host, hostname }: URL): string {
  if (status === 407) return PROXY_LOGIN_HINT;
  const reaction = status === undefined ? "refuses" : `answers ${status} to`;
  return `The proxy ${proxy} ${reaction} connections to ${host}: allow them there, or name ${hostname} in NO_PROXY.`;
}

function describeNetworkError(code: string, error: unknown): string {
  const failure = KNOWN[code] ?? tlsFailure(error);
  if (failure !== undefined) return failure;
  if (isHttp2(error)) return "net/http: HTTP/1.x transport connection broken: the server answered in HTTP/2";
  if (code.startsWith("HPE_")) return `net/http: HTTP/1.x transport connection broken: ${messageOf(error).trim()}`;
  return messageOf(error).trim();
}

interface FailedExchange {
  readonly hasResponded: boolean;
}

/**
 * The fault of a request without a complete response, worded like Go's `*url.Error`: `Get "<url>": <reason>`. Faults of
 * the request's own body pass unchanged.
 */
export function networkFault(method: string, url: URL, error: unknown, exchange?: FailedExchange): unknown {
  const code = networkErrorCode(error);
  if (code === undefined) return error;
  const hint = hintFor(code, url, error);
  const isPermanent =
    error instanceof ProxyRefusal ? !error.isTemporary : isPermanentFailure(code, error) || isHttp2(error);
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  const text = describeNetworkError(code, error);
  return new RegistryFault(UNREACHABLE, `${verb} "${redactUrl(url)}": ${dialedAddress(error)}${text}`, {
    isTemporary: !isPermanent,
    isStranger: exchange?.hasResponded === false && isBeforeAnyResponse(code, error),
    silentMs: error instanceof HttpError ? (error.silentMs ?? 0) : 0,
    destination: url.host,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

function isBeforeAnyResponse(code: string, error: unknown): boolean {
  if (error instanceof ProxyRefusal || code === "HTTP_CONNECT_TIMEOUT") return true;
  if (code.startsWith("HPE_") || code === "EPROTO" || tlsFailure(error) !== undefined) return true;
  return error instanceof Error && "syscall" in error && ["connect", "getaddrinfo"].includes(String(error.syscall));
}

function networkErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return error.code.startsWith("EXPORT_") ? undefined : error.code;
}

function dialedAddress(error: unknown): string {
  if (!(error instanceof Error) || !("syscall" in error)) return "";
  if (error.syscall === "getaddrinfo" && "hostname" in error) return `dial tcp: lookup ${error.hostname}: `;
  if (error.syscall !== "connect") return "";
  return "address" in error && "port" in error ? `dial tcp ${error.address}:${error.port}: ` : "dial tcp: ";
}
