import { isIP } from "node:net";
import type { PeerCertificate } from "node:tls";

export type NamedCertificate = Pick<PeerCertificate, "subject" | "subjectaltname">;

/**
 * Why a certificate is not valid for this host, in Go's words (crypto/x509/verify.go, `VerifyHostname`); undefined if
 * it is. Unlike in Node.js, `*` matches the first label of any domain, even in `*.internal`, and the Common Name
 * matches no host.
 * @param host a lower-case name without a final dot, or an address as in a URL without brackets
 */
export function hostMismatch(host: string, { subject, subjectaltname = "" }: NamedCertificate): string | undefined {
  // Node.js quotes a name with odd characters, which no host has.
  const entries = subjectaltname.replace(/"(?:[^"\\]|\\.)*"/g, "").split(", ");
  const namesOf = (kind: string) =>
    entries.flatMap((entry) => (entry.startsWith(kind) && entry !== kind ? entry.slice(kind.length) : []));
  const isAddress = isIP(host) !== 0;
  const names = isAddress ? namesOf("IP Address:").map(canonicalAddress) : namesOf("DNS:");
  if (names.some((name) => (isAddress ? name === host : isNameOf(host, name)))) return undefined;
  if (subjectaltname === "" && [subject?.CN].flat().some((name) => name !== undefined && isNameOf(host, name)))
    return "x509: certificate relies on legacy Common Name field, use SANs instead";
  if (names.length > 0) return `x509: certificate is valid for ${names.join(", ")}, not ${host}`;
  return isAddress
    ? `x509: cannot validate certificate for ${host} because it doesn't contain any IP SANs`
    : `x509: certificate is not valid for any names, but wanted to match ${host}`;
}

/** OpenSSL writes IPv6 addresses without `::`. */
function canonicalAddress(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

const LABELS = /^[a-z0-9_][a-z0-9_-]*(?:\.[a-z0-9_][a-z0-9_-]*)*$/;

function isNameOf(host: string, pattern: string): boolean {
  const name = pattern.toLowerCase();
  if (!name.startsWith("*.")) return name === host;
  const [, domain = ""] = /^[^.]+\.(.+)$/.exec(host) ?? [];
  return LABELS.test(host) && domain === name.slice(2);
}
