import { BlockList, isIP } from "node:net";

const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 32],
  ["10.0.0.0", 8],
  ["100.100.100.200", 32],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["224.0.0.0", 24],
] as const)
  PRIVATE.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of [
  ["::", 127],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff02::", 16],
] as const)
  PRIVATE.addSubnet(network, prefix, "ipv6");

/** What the machines of a cloud call the service that gives out their keys. */
const METADATA_NAMES = new Set(["metadata", "metadata.google.internal"]);

/** Addresses through which a translator of IPv6 reaches IPv4 (RFC 6052), the last 32 bits in groups of hex. */
const TRANSLATED = /^64:ff9b::(?:([\da-f]{1,4}):)?([\da-f]{1,4})$/;

/**
 * True if a URL's host is an IP literal that is private, loopback, link-local or unspecified, or one of the few
 * well-known names of such an address (docs/compatibility.md#private-addresses,
 * docs/compatibility.md#stricter-redirects). Other names are not resolved: a registry in a private network has its
 * storage there too.
 */
export function isPrivateAddress(url: URL): boolean {
  const host = hostOf(url);
  const version = isIP(host);
  if (version === 0) return METADATA_NAMES.has(host) || isLocalhost(host);
  const [, high = "0", low] = TRANSLATED.exec(host) ?? [];
  if (low === undefined) return PRIVATE.check(host, version === 4 ? "ipv4" : "ipv6");
  const bits = [high, low].map((group) => Number.parseInt(group, 16));
  return PRIVATE.check(bits.flatMap((word) => [word >> 8, word & 255]).join("."), "ipv4");
}

/** True when a registry may not send us there. One on this very machine may name the machine, as `localhost`. */
export function isPrivateFrom(registry: URL, url: URL): boolean {
  return isPrivateAddress(url) && !(url.hostname === "localhost" && isLoopback(registry));
}

/** True for this machine, by whatever address or name. */
function isLoopback(url: URL): boolean {
  const host = hostOf(url);
  return isLocalhost(host) || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function isLocalhost(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}

/** Without the brackets of an IPv6 address, and without the dot that ends a name at the root. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}
