import { BlockList, isIP } from "node:net";

const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 32],
  ["10.0.0.0", 8],
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

/**
 * True when a URL's host is an IP literal that is private, loopback, link-local or unspecified. A registry must not be able
 * to send us, with what we carry, to such an address of our own network (contract 9.3, end). Names are not resolved.
 */
export function isPrivateAddress(url: URL): boolean {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const version = isIP(host);
  if (version === 0) return false;
  return PRIVATE.check(host, version === 4 ? "ipv4" : "ipv6");
}
