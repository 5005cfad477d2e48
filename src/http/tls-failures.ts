import type { X509Certificate } from "node:crypto";
import { messageOf } from "../errors/fault.ts";
import type { HttpError } from "./http-error.ts";

const UNTRUSTED = new Set([
  "CERT_SIGNATURE_FAILURE",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

export function isUntrusted(code: string): boolean {
  return UNTRUSTED.has(code);
}

const UNKNOWN_AUTHORITY = "certificate signed by unknown authority";
const EXPIRED = "certificate has expired or is not yet valid";
const BAD_NAME = "a root or intermediate certificate is not authorized to sign for this name";

const GO_REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: EXPIRED,
  CERT_NOT_YET_VALID: EXPIRED,
  INVALID_CA: "certificate is not authorized to sign other certificates",
  INVALID_PURPOSE: "certificate specifies an incompatible key usage",
  PATH_LENGTH_EXCEEDED: "too many intermediates for path length constraint",
  "permitted subtree violation": `${BAD_NAME}: permitted subtree violation`,
  "excluded subtree violation": `${BAD_NAME}: excluded subtree violation`,
  "CA signature digest algorithm too weak": `${UNKNOWN_AUTHORITY} (possibly because of "CA signature digest algorithm too weak")`,
};

/**
 * A failed verification in Go's words (https://github.com/golang/go/blob/go1.26.8/src/crypto/x509/verify.go), or in
 * OpenSSL's where Go has none.
 * @param code as Node.js names some of OpenSSL's reasons; all others are `UNSPECIFIED`
 * (https://github.com/nodejs/node/blob/v26.10.0/deps/ncrypto/ncrypto.cc, `X509Pointer::ErrorCode`)
 * @param reason OpenSSL's text
 * @param chain as the server sent it
 */
export function certificateFailure(code: string, reason: string, chain: readonly X509Certificate[] = []): string {
  const goReason = isUntrusted(code) ? UNKNOWN_AUTHORITY : (GO_REASONS[code] ?? GO_REASONS[reason] ?? reason);
  const period = goReason === EXPIRED ? outOfPeriod(chain) : undefined;
  return `tls: failed to verify certificate: x509: ${goReason}${period === undefined ? "" : `: ${period}`}`;
}

/** Gives the machine's time, too: a wrong clock is a frequent cause. */
function outOfPeriod(chain: readonly X509Certificate[]): string | undefined {
  const now = new Date();
  for (const { validFromDate: begin, validToDate: end } of chain) {
    if (now < begin) return `current time ${formatTime(now)} is before ${formatTime(begin)}`;
    if (now > end) return `current time ${formatTime(now)} is after ${formatTime(end)}`;
  }
  return undefined;
}

function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** The certificates that a server sent, its own first. */
export function chainOf(own: X509Certificate | undefined): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = own; next !== undefined && chain.length < MAX_CHAIN; next = next.issuerCertificate) chain.push(next);
  return chain;
}

const MAX_CHAIN = 16;

/** The CA to trust, or the intermediate CA whose certificate the server does not send. */
export function issuerOf(chain: readonly X509Certificate[]): Pick<HttpError, "issuer" | "isWithoutIssuer"> {
  const last = chain.at(-1);
  if (last === undefined) return {};
  const { subject, issuer } = last;
  return { issuer: issuer.replaceAll("\n", ", "), isWithoutIssuer: chain.length === 1 && subject !== issuer };
}

/** https://github.com/golang/go/blob/go1.26.8/src/crypto/tls/alert.go */
const ALERTS: Readonly<Record<number, string>> = {
  0: "close notify",
  10: "unexpected message",
  20: "bad record MAC",
  21: "decryption failed",
  22: "record overflow",
  30: "decompression failure",
  40: "handshake failure",
  42: "bad certificate",
  43: "unsupported certificate",
  44: "revoked certificate",
  45: "expired certificate",
  46: "unknown certificate",
  47: "illegal parameter",
  48: "unknown certificate authority",
  49: "access denied",
  50: "error decoding message",
  51: "error decrypting message",
  60: "export restriction",
  70: "protocol version not supported",
  71: "insufficient security level",
  80: "internal error",
  86: "inappropriate fallback",
  90: "user canceled",
  100: "no renegotiation",
  109: "missing extension",
  110: "unsupported extension",
  111: "certificate unobtainable",
  112: "unrecognized name",
  113: "bad certificate status response",
  114: "bad certificate hash value",
  115: "unknown PSK identity",
  116: "certificate required",
  120: "no application protocol",
  121: "encrypted client hello required",
};

const HANDSHAKE_FAILURE = 40;
const UNRECOGNIZED_NAME = 112;
const NO_APPLICATION_PROTOCOL = 120;
const ABOUT_CLIENT_CERTIFICATES = new Set([42, 43, 44, 45, 46, 48, 49, 116]);
const ABOUT_VERSIONS = new Set([70, 71]);

/** The alert with which a server ended a connection (RFC 8446 section 6), as OpenSSL's messages end with it. */
function alertOf(error: unknown): number | undefined {
  const [, number] = /SSL alert number (\d+)\s*$/.exec(messageOf(error)) ?? [];
  return number === undefined ? undefined : Number(number);
}

/**
 * A failure of TLS in Go's words if it is an alert, otherwise in OpenSSL's: its messages are
 * `<thread>:error:<number>:<library>:<function>:<reason>:<file of the build>:<line>:<more>`.
 * @returns undefined for any other error
 */
export function tlsFailure(error: unknown): string | undefined {
  const alert = alertOf(error);
  if (alert !== undefined) return `remote error: tls: ${ALERTS[alert] ?? `alert(${alert})`}`;
  const [, reason] = /:error:[\dA-F]{8}:[^:]*:[^:]*:([^:]+):/.exec(messageOf(error)) ?? [];
  return reason && `tls: ${reason}`;
}

export function isHttp2Only(error: unknown): boolean {
  return alertOf(error) === NO_APPLICATION_PROTOCOL;
}

const WRONG_VERSION = "ERR_SSL_UNSUPPORTED_PROTOCOL";

/** True for refusals that only a change on the server ends; others may come from one that is just starting. */
export function isFinalRefusal(code: string, error: unknown): boolean {
  const alert = alertOf(error) ?? -1;
  return (
    code === WRONG_VERSION ||
    alert === NO_APPLICATION_PROTOCOL ||
    ABOUT_VERSIONS.has(alert) ||
    ABOUT_CLIENT_CERTIFICATES.has(alert)
  );
}

/** @param server as it is called in the hint */
export function tlsHint(code: string, error: unknown, server: string): string | undefined {
  const alert = alertOf(error) ?? -1;
  if (ABOUT_CLIENT_CERTIFICATES.has(alert))
    return `Allow clients without a certificate on ${server}: it requires a client certificate, which is not supported.`;
  if (code === WRONG_VERSION || ABOUT_VERSIONS.has(alert))
    return `Enable TLS 1.2 or 1.3 on ${server}, or in the load balancer in front of it.`;
  if (alert === HANDSHAKE_FAILURE)
    return `Enable TLS 1.2 or 1.3 with an ECDHE cipher on ${server}, and allow clients without a certificate there.`;
  if (alert === UNRECOGNIZED_NAME) return `Check the name ${server}: the server has no certificate for it.`;
  return (
    tlsFailure(error) && `Check the TLS settings of ${server}, or of the load balancer in front of it, and their logs.`
  );
}

/** A plain HTTP server answers a TLS handshake with something that is not TLS. */
export function isPlainHttp(code: string): boolean {
  return code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG";
}
