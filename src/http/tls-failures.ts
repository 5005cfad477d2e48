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
 * A failed verification in Go's words (crypto/x509/verify.go), or in OpenSSL's where Go has none.
 * @param code as Node.js names some of OpenSSL's reasons; all others are `UNSPECIFIED`
 * (https://github.com/nodejs/node/blob/v26.10.0/deps/ncrypto/ncrypto.cc, `X509Pointer::ErrorCode`)
 * @param reason OpenSSL's text
 */
export function certificateFailure(code: string, reason: string): string {
  const goReason = isUntrusted(code) ? UNKNOWN_AUTHORITY : (GO_REASONS[code] ?? GO_REASONS[reason] ?? reason);
  return `tls: failed to verify certificate: x509: ${goReason}`;
}
