import { BlockList, isIP } from "node:net";
import { Fault } from "../errors/fault.ts";
import { toByteString } from "../go/byte-string.ts";
import { addressOf, familyOf } from "./address.ts";
import { discard } from "./body.ts";
import { redactUrl } from "./faults.ts";
import { withoutFinalDot } from "./hosts-file.ts";
import { type Http, type HttpRequest, type HttpResponse, headerOf } from "./http.ts";
import { authorizationIn, registerLogin } from "./tunnel.ts";

const PRIVATE_IPV4 = [
  ["0.0.0.0", 32],
  ["10.0.0.0", 8],
  ["100.100.100.200", 32],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["224.0.0.0", 24],
] as const;

const PRIVATE_IPV6 = [
  ["::", 127],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff02::", 16],
] as const;

let privateNetworks: BlockList | undefined;

function isPrivate(address: string): boolean {
  privateNetworks ??= listPrivateNetworks();
  return privateNetworks.check(address, familyOf(address));
}

function listPrivateNetworks(): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of PRIVATE_IPV4) list.addSubnet(network, prefix, "ipv4");
  for (const [network, prefix] of PRIVATE_IPV6) list.addSubnet(network, prefix, "ipv6");
  return list;
}

const METADATA_NAMES = new Set(["metadata", "metadata.google.internal"]);

/** IPv4 addresses behind an IPv6 translator (RFC 6052), the last 32 bits as hex groups. */
const TRANSLATED = /^64:ff9b::(?:([\da-f]{1,4}):)?([\da-f]{1,4})$/;

/**
 * True if a URL's host is a private, loopback, link-local or unspecified IP literal, or a well-known name of one
 * (docs/compatibility.md#private-addresses, docs/compatibility.md#stricter-redirects). Other names are not resolved: a
 * registry in a private network has its storage there, too.
 */
export function isPrivateAddress(url: URL): boolean {
  const host = hostOf(url);
  if (isIP(host) === 0) return METADATA_NAMES.has(host) || isLocalhost(host);
  const [, high = "0", low] = TRANSLATED.exec(host) ?? [];
  if (low === undefined) return isPrivate(host);
  const bits = [high, low].map((group) => Number.parseInt(group, 16));
  return isPrivate(bits.flatMap((word) => [word >> 8, word & 255]).join("."));
}

export function isPrivateFrom(registry: URL, url: URL): boolean {
  return isPrivateAddress(url) && !(isLocalhost(hostOf(url)) && isLoopback(registry));
}

function isLoopback(url: URL): boolean {
  const host = hostOf(url);
  return isLocalhost(host) || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function isLocalhost(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}

function hostOf(url: URL): string {
  return withoutFinalDot(addressOf(url).host);
}

const MAX_REDIRECTS = 10;
const REPEATING = new Set([307, 308]);
const READING = new Set([301, 302, 303, 307, 308]);

export interface RedirectRules {
  readonly isInsecure: boolean;
  readonly authorizationFor: (url: URL) => string | undefined;
  readonly resolve?: (location: string, base: URL) => URL | undefined;
  readonly check: (to: URL) => void;
}

/**
 * Sends a request and follows redirects. Where the rules allow no credentials, the user and password in the URL are
 * sent, as in Go. `resolve` reads a Location header, which is otherwise taken as written; undefined rejects it. A
 * request with a body is repeated only for 307 and 308, which keep the method.
 */
export async function exchangeFollowing(http: Http, request: HttpRequest, rules: RedirectRules): Promise<HttpResponse> {
  const isReading = request.method === "GET" || request.method === "HEAD";
  let url = request.url;
  for (let redirects = 0; ; redirects += 1) {
    registerLogin(url);
    const authorization = rules.authorizationFor(url) ?? authorizationIn(url);
    // Go sends UTF-8. undici sends each character as one byte, and refuses those that do not fit.
    const own = authorization === undefined ? {} : { authorization: toByteString(authorization) };
    const headers = { ...request.headers, ...own };
    const response = await http.exchange({ ...request, url, headers }, rules.isInsecure);
    const location = headerOf(response, "location");
    if (location === undefined || !(isReading ? READING : REPEATING).has(response.status)) return response;
    await discard(response);
    if (redirects === MAX_REDIRECTS) throw redirectFault(request, "stopped after 10 redirects");
    const next = rules.resolve === undefined ? URL.parse(location, url) : rules.resolve(location, url);
    if (next == null || !/^https?:$/.test(next.protocol)) throw redirectFault(request, "redirect to an invalid URL");
    rules.check(next);
    url = next;
  }
}

function redirectFault(request: HttpRequest, reason: string): Fault {
  return new Fault("EXPORT_REGISTRY_REDIRECT", `${request.method} ${redactUrl(request.url)}: ${reason}`);
}

/**
 * @throws Fault if `to` is on another host than `from` and in a private network
 * (docs/compatibility.md#private-addresses). A registry on this machine may redirect to the machine's names.
 */
export function refusePrivate(what: string, from: URL, to: URL): void {
  if (to.hostname === from.hostname || !isPrivateFrom(from, to)) return;
  throw new Fault(
    "EXPORT_REGISTRY_REDIRECT",
    `SSRF protection: ${what} from "${from.hostname}" to private/link-local host "${to.hostname}" denied`,
    { destination: from.host },
  );
}
