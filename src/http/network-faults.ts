import { isIP } from "node:net";
import { messageOf } from "../errors/fault.ts";
import { isSystemError } from "../go/errno.ts";
import { addressOf } from "./address.ts";
import { RegistryFault, redactUrl, UNREACHABLE } from "./faults.ts";
import { HttpError, isConnectTimeout } from "./http-error.ts";
import {
  isBadCertificate,
  isHandshakeHangUp,
  isHttp2,
  isInvalidAuthorization,
  networkHint,
  type Way,
} from "./network-hints.ts";
import { isFinalRefusal, isPlainHttp, tlsFailure } from "./tls-failures.ts";
import { ProxyFailure, ProxyRefusal, socksPrefix } from "./tunnel.ts";

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

/** True if the server speaks TLS, but does not accept a connection. */
export function isTlsFailure({ cause }: RegistryFault): boolean {
  if (isBadCertificate(cause)) return true;
  return tlsFailure(cause) !== undefined && !isPlainHttp(networkErrorCode(cause) ?? "");
}

/**
 * As Go words it (`dialConn` in https://github.com/golang/go/blob/go1.26.8/src/net/http/transport.go), where the error
 * of a proxy is never one of the registry.
 */
function describeProxyConnect(code: string, error: unknown): string {
  const reason = isPlainHttp(code)
    ? "tls: first record does not look like a TLS handshake"
    : describeNetworkError(code, error);
  return `proxyconnect tcp: ${reason}`;
}

export function describeNetworkError(code: string, error: unknown): string {
  return `${dialedAddress(error)}${reasonOf(code, error)}`;
}

function reasonOf(code: string, error: unknown): string {
  const failure = KNOWN[code] ?? tlsFailure(error);
  if (failure !== undefined) return failure;
  if (isInvalidAuthorization(error)) return 'net/http: invalid header field value for "Authorization"';
  if (isHttp2(error)) return "net/http: HTTP/1.x transport connection broken: the server answered in HTTP/2";
  if (code === "HPE_INVALID_CONSTANT") return "malformed HTTP response";
  if (code.startsWith("HPE_")) return `net/http: HTTP/1.x transport connection broken: ${messageOf(error).trim()}`;
  return messageOf(error).trim();
}

interface FailureDescription {
  readonly text: string;
  readonly hint: string | undefined;
}

function describeFailure(
  way: Way,
  code: string,
  error: unknown,
  failure: ProxyFailure | undefined,
): FailureDescription {
  const isProxyConnect = failure?.step === "connect";
  const text = isProxyConnect ? describeProxyConnect(code, error) : describeNetworkError(code, error);
  const prefix = failure?.step === "socks" ? socksPrefix(failure.proxy, addressOf(way.url)) : "";
  return { text: `${prefix}${text}`, hint: networkHint(code, way, error, failure) };
}

/** @returns undefined unless it is a failure of the proxy in front of a host, or of the lookup of the host's name */
export function describeProxyOrLookup(url: URL, thrown: unknown): FailureDescription | undefined {
  const failure = thrown instanceof ProxyFailure ? thrown : undefined;
  const error = failure === undefined ? thrown : failure.cause;
  const isLookup = isSystemError(error) && error.syscall === "getaddrinfo";
  if (failure === undefined && !(error instanceof ProxyRefusal) && !isLookup) return undefined;
  return describeFailure({ url }, networkErrorCode(error) ?? "", error, failure);
}

interface FailedExchange {
  readonly hasResponded: boolean;
  readonly connectMs: number;
}

/**
 * The fault of a request without a complete response, worded like Go's `*url.Error`: `Get "<url>": <reason>`. Faults of
 * the request's own body pass unchanged.
 */
export function networkFault(method: string, { url, proxy }: Way, thrown: unknown, exchange?: FailedExchange): unknown {
  const failure = thrown instanceof ProxyFailure ? thrown : undefined;
  const error = failure === undefined ? thrown : failure.cause;
  const code = networkErrorCode(error);
  if (code === undefined) return error;
  const { text, hint } = describeFailure({ url, proxy }, code, error, failure);
  const isPermanent =
    error instanceof ProxyRefusal ? !error.isTemporary : isPermanentFailure(code, error) || isHttp2(error);
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  return new RegistryFault(UNREACHABLE, `${verb} "${redactUrl(url)}": ${text}`, {
    isTemporary: !isPermanent,
    hasNeverAnswered: exchange?.hasResponded === false && (failure !== undefined || isBeforeAnyResponse(code, error)),
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
  if (error instanceof ProxyRefusal || isConnectTimeout(error) || isHandshakeHangUp(error)) return true;
  if (code.startsWith("HPE_") || code === "EPROTO" || tlsFailure(error) !== undefined) return true;
  return isSystemError(error) && ["connect", "getaddrinfo"].includes(error.syscall ?? "");
}

function networkErrorCode(error: unknown): string | undefined {
  if (!Error.isError(error) || !("code" in error) || typeof error.code !== "string") return undefined;
  // undici notices that a body is longer or shorter than its Content-Length, which is its source's fault.
  const isOfBody = error.code.startsWith("EXPORT_") || error.code === "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH";
  return isOfBody ? undefined : error.code;
}

function dialedAddress(error: unknown): string {
  if (!isSystemError(error)) return "";
  if (error.syscall === "getaddrinfo" && "hostname" in error) return `dial tcp: lookup ${error.hostname}: `;
  if (error.syscall !== "connect") return "";
  if (!("address" in error && "port" in error)) return "dial tcp: ";
  const host = isIP(String(error.address)) === 6 ? `[${error.address}]` : error.address;
  return `dial tcp ${host}:${error.port}: `;
}
