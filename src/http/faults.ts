import { STATUS_CODES } from "node:http";
import { isIP } from "node:net";
import { Fault, type FaultCode, type FaultDetails, messageOf } from "../errors/fault.ts";
import { isSystemError } from "../go/errno.ts";
import { goValue } from "../go/format.ts";
import { anything, list, struct, text, unmarshal } from "../go/json-decode.ts";
import { HttpError, isConnectTimeout } from "./dial.ts";
import { isBadCertificate, isHttp2, networkHint, PROXY_LOGIN_HINT } from "./network-hints.ts";
import { isFinalRefusal, isPlainHttp, tlsFailure } from "./tls-failures.ts";
import { ProxyFailure, ProxyRefusal } from "./tunnel.ts";

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

function isPermanentFailure(code: string, error: unknown): boolean {
  if (isBadCertificate(error)) return true;
  if (isPlainHttp(code) || isFinalRefusal(code, error)) return true;
  // A request that undici rejects, such as one with a line feed in a header.
  return code === "UND_ERR_INVALID_ARG";
}

/** True if the server speaks TLS, and no retry can help. */
export function isPermanentTlsFailure({ cause }: RegistryFault): boolean {
  return isBadCertificate(cause) || isFinalRefusal(networkErrorCode(cause) ?? "", cause);
}

/**
 * As Go words it (`dialConn` in https://github.com/golang/go/blob/go1.26.8/src/net/http/transport.go), where the error of
 * a proxy is never one of the registry.
 */
function describeProxyConnect(code: string, error: unknown): string {
  const reason = isPlainHttp(code)
    ? "tls: first record does not look like a TLS handshake"
    : describeNetworkError(code, error);
  return `proxyconnect tcp: ${reason}`;
}

function describeNetworkError(code: string, error: unknown): string {
  return `${dialedAddress(error)}${reasonOf(code, error)}`;
}

function reasonOf(code: string, error: unknown): string {
  const failure = KNOWN[code] ?? tlsFailure(error);
  if (failure !== undefined) return failure;
  if (isHttp2(error)) return "net/http: HTTP/1.x transport connection broken: the server answered in HTTP/2";
  if (code.startsWith("HPE_")) return `net/http: HTTP/1.x transport connection broken: ${messageOf(error).trim()}`;
  return messageOf(error).trim();
}

interface FailureDescription {
  readonly text: string;
  readonly hint: string | undefined;
}

function describeFailure(
  url: URL,
  code: string,
  error: unknown,
  failure: ProxyFailure | undefined,
): FailureDescription {
  const isProxyConnect = failure?.step === "connect";
  const text = isProxyConnect ? describeProxyConnect(code, error) : describeNetworkError(code, error);
  return { text, hint: networkHint(code, url, error, failure) };
}

/** @returns undefined unless it is a failure of the proxy before a host, or of the lookup of the host's name */
export function describeProxyOrLookup(url: URL, thrown: unknown): FailureDescription | undefined {
  const failure = thrown instanceof ProxyFailure ? thrown : undefined;
  const error = failure === undefined ? thrown : failure.cause;
  const isLookup = isSystemError(error) && error.syscall === "getaddrinfo";
  if (failure === undefined && !(error instanceof ProxyRefusal) && !isLookup) return undefined;
  return describeFailure(url, networkErrorCode(error) ?? "", error, failure);
}

interface FailedExchange {
  readonly hasResponded: boolean;
  readonly connectMs: number;
}

/**
 * The fault of a request without a complete response, worded like Go's `*url.Error`: `Get "<url>": <reason>`. Faults of
 * the request's own body pass unchanged.
 */
export function networkFault(method: string, url: URL, thrown: unknown, exchange?: FailedExchange): unknown {
  const failure = thrown instanceof ProxyFailure ? thrown : undefined;
  const error = failure === undefined ? thrown : failure.cause;
  const code = networkErrorCode(error);
  if (code === undefined) return error;
  const { text, hint } = describeFailure(url, code, error, failure);
  const isPermanent =
    error instanceof ProxyRefusal ? !error.isTemporary : isPermanentFailure(code, error) || isHttp2(error);
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  return new RegistryFault(UNREACHABLE, `${verb} "${redactUrl(url)}": ${text}`, {
    isTemporary: !isPermanent,
    isStranger: exchange?.hasResponded === false && (failure !== undefined || isBeforeAnyResponse(code, error)),
    silentMs: silenceMs(error, exchange),
    destination: url.host,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

function silenceMs(error: unknown, exchange: FailedExchange | undefined): number {
  if (isConnectTimeout(error)) return exchange?.connectMs ?? 0;
  return error instanceof HttpError ? (error.silentMs ?? 0) : 0;
}

function isBeforeAnyResponse(code: string, error: unknown): boolean {
  if (error instanceof ProxyRefusal || isConnectTimeout(error)) return true;
  if (code.startsWith("HPE_") || code === "EPROTO" || tlsFailure(error) !== undefined) return true;
  return error instanceof Error && "syscall" in error && ["connect", "getaddrinfo"].includes(String(error.syscall));
}

function networkErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  // undici notices that a body is longer or shorter than its Content-Length, which is its source's fault.
  const isOfBody = error.code.startsWith("EXPORT_") || error.code === "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH";
  return isOfBody ? undefined : error.code;
}

function dialedAddress(error: unknown): string {
  if (!(error instanceof Error) || !("syscall" in error)) return "";
  if (error.syscall === "getaddrinfo" && "hostname" in error) return `dial tcp: lookup ${error.hostname}: `;
  if (error.syscall !== "connect") return "";
  if (!("address" in error && "port" in error)) return "dial tcp: ";
  const host = isIP(String(error.address)) === 6 ? `[${error.address}]` : error.address;
  return `dial tcp ${host}:${error.port}: `;
}
