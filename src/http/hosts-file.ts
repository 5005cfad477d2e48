import type { LookupAddress } from "node:dns";
import { isIP } from "node:net";
import { readFile } from "../files/read-file.ts";

/**
 * The addresses that a hosts file has for a name. A final dot makes no difference, as in Go
 * (https://github.com/golang/go/blob/go1.26.8/src/net/hosts.go); getaddrinfo does not find a name that has one.
 */
export async function lookupInHostsFile(host: string, path = "/etc/hosts"): Promise<LookupAddress[]> {
  const text = await readFile(path).then(String, () => "");
  const wanted = normalize(host);
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const family = isIP(address);
    return family !== 0 && names.some((name) => normalize(name) === wanted) ? [{ address, family }] : [];
  });
}

function normalize(name: string): string {
  return withoutFinalDot(name.toLowerCase());
}

export function withoutFinalDot(host: string): string {
  return host.replace(/\.$/, "");
}
