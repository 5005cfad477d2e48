import { Fault } from "../faults/fault.ts";
import { discard } from "./answer-body.ts";
import { type Http, type HttpAnswer, type HttpRequest, headerOf } from "./http.ts";
import { isPrivateFrom } from "./private-address.ts";
import { redactUrl } from "./redact.ts";

/** As in Go's http.Client. */
const MAX_REDIRECTS = 10;
const REPEATING = new Set([307, 308]);
const READING = new Set([301, 302, 303, 307, 308]);

export interface RedirectRules {
  readonly isInsecure: boolean;
  /** The Authorization header for a URL; undefined for every host that must not see one. */
  readonly authorizationFor: (url: URL) => string | undefined;
  /** Where a Location leads; undefined for nowhere. Default: where it says. */
  readonly resolve?: (location: string, base: URL) => URL | undefined;
  /** @throws when a redirect to this URL must not be followed */
  readonly check: (to: URL) => void;
}

/**
 * Sends a request and follows redirects, with credentials only where the rules give them. A request with a body is
 * repeated for 307 and 308 only, where HTTP says that it keeps its method.
 */
export async function exchangeFollowing(http: Http, request: HttpRequest, rules: RedirectRules): Promise<HttpAnswer> {
  const isReading = request.method === "GET" || request.method === "HEAD";
  let url = request.url;
  for (let redirects = 0; ; redirects += 1) {
    const authorization = rules.authorizationFor(url);
    const headers = { ...request.headers, ...(authorization === undefined ? {} : { authorization }) };
    const answer = await http.exchange({ ...request, url, headers }, rules.isInsecure);
    const location = headerOf(answer, "location");
    if (location === undefined || !(isReading ? READING : REPEATING).has(answer.status)) return answer;
    await discard(answer);
    if (redirects === MAX_REDIRECTS) throw redirectFault(request, "stopped after 10 redirects");
    const next = rules.resolve?.(location, url) ?? URL.parse(location, url);
    if (next === null || !/^https?:$/.test(next.protocol)) throw redirectFault(request, "redirect to an invalid URL");
    rules.check(next);
    url = next;
  }
}

function redirectFault(request: HttpRequest, reason: string): Fault {
  return new Fault("EXPORT_REGISTRY_REDIRECT", `${request.method} ${redactUrl(request.url)}: ${reason}`);
}

/**
 * @throws Fault if `to` is on another host than `from` and names an address of a private network
 *   (docs/compatibility.md#private-addresses). A registry on this machine may name it.
 */
export function refusePrivate(what: string, from: URL, to: URL): void {
  if (to.hostname === from.hostname || !isPrivateFrom(from, to)) return;
  throw new Fault(
    "EXPORT_REGISTRY_REDIRECT",
    `SSRF protection: ${what} from "${from.hostname}" to private/link-local host "${to.hostname}" denied`,
    { destination: from.host },
  );
}
