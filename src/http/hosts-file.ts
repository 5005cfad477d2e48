import type { LookupAddress } from "node:dns";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";

/**
 * The addresses that a hosts file has for a name. A final dot makes no difference, as in Go
 * (https://github.com/golang/go/blob/go1.26.8/src/net/hosts.go); getaddrinfo does not find a name that has one.
 */
export async function lookupInHostsFile(host: string, path = "/etc/hosts"): Promise<LookupAddress[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const wanted = normalize(host);
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const family = isIP(address);
    return family !== 0 && names.some((name) => normalize(name) === wanted) ? [{ address, family }] : [];
  });
}

function normalize(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
