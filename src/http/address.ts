import { isIP } from "node:net";

export const DEFAULT_PORT: Readonly<Record<string, string>> = {
  "http:": "80",
  "https:": "443",
  "socks5:": "1080",
  "socks5h:": "1080",
};

/** `host` has no brackets around an IPv6 address. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export function addressOf({ hostname, port, protocol }: URL): Address {
  return { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(port || DEFAULT_PORT[protocol]) };
}

/** @param address an IP address, without brackets */
export function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 4 ? "ipv4" : "ipv6";
}
