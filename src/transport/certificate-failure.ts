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
