import { Fault } from "../errors/fault.ts";
import { registerSecret } from "../errors/secrets.ts";
import { anything, struct, text, unmarshal } from "../go/json-decode.ts";
import { ensureStatus, readAll } from "../http/body.ts";
import type { Challenge } from "../http/challenge.ts";
import { RegistryFault } from "../http/faults.ts";
import { type HttpRequest, type HttpResponse, headerOf } from "../http/http.ts";
import { exchangeFollowing, isPrivateFrom } from "../http/redirects.ts";
import type { Credentials } from "./credentials.ts";
import { isOnRegistry, type RegistryAddress, type Scheme } from "./ping.ts";

const MAX_RESPONSE_MS = 30_000;
/** As in go-containerregistry (transport/bearer.go). */
const MAX_BODY_BYTES = 64 << 10;
/** The token specification's default: "For compatibility with older clients ... assumed to be 60 seconds". */
const DEFAULT_LIFETIME_S = 60;

const CLIENT_ID = "go-containerregistry";

const lifetimeType = anything.transform((value) => {
  const seconds = typeof value === "string" || typeof value === "number" ? Number(value) : 0;
  return seconds > 0 ? seconds : DEFAULT_LIFETIME_S;
});

export const tokenReply = struct({
  token: text,
  access_token: text,
  refresh_token: text,
  expires_in: lifetimeType,
  issued_at: anything.transform(String),
});

export interface Token {
  readonly token: string;
  readonly refreshToken: string;
  readonly lifetimeMs: number;
}

export interface RegistryEndpoint extends RegistryAddress {
  readonly scheme: Scheme;
}

export interface TokenServer extends RegistryEndpoint {
  readonly challenge: Challenge;
}

type TokenRequest = Omit<HttpRequest, "headersTimeoutMs" | "signal">;

/** Only a refusal's body is shown: that of a success contains a token. */
const SUCCESS = [200, 201, 202, 203];

const NO_METHOD = new Set([404, 405, 501]);

/**
 * Gets a bearer token (docs/compatibility.md#registry-handshake): with an identity token by POST, or by GET if the
 * server does not support that; otherwise by GET, or with a password by POST if the server supports only that. See
 * https://github.com/distribution/distribution/tree/v2.8.3/docs/spec/auth.
 * @param scopes the most important first, because some registries read only that one
 * @throws Fault for a realm that must not be used; RegistryFault if the server refuses
 */
export async function requestToken(
  server: TokenServer,
  credentials: Credentials,
  scopes: readonly string[],
  signal?: AbortSignal,
): Promise<Token> {
  const realm = realmOf(server);
  const post = (grant: Readonly<Record<string, string>>) =>
    ask(server, oauthRequest(realm, server, grant, scopes), () => undefined, signal);
  const get = () => {
    const request = { method: "GET", url: tokenUrl(realm, server, scopes) } as const;
    return ask(server, request, (to) => (to.origin === realm.origin ? credentials.authorization : undefined), signal);
  };
  const { identityToken, login } = credentials;
  if (identityToken !== "")
    return post({ grant_type: "refresh_token", refresh_token: identityToken }).catch(unlessUnknown(get));
  if (login === undefined) return get();
  return get().catch(unlessUnknown(() => post({ grant_type: "password", ...login })));
}

function unlessUnknown(other: () => Promise<Token>): (error: unknown) => Promise<Token> {
  return async (error) => {
    if (!(error instanceof RegistryFault) || !NO_METHOD.has(error.status ?? 0)) throw error;
    try {
      return await other();
    } catch (second) {
      // If neither method is supported, the first error is as good as the second.
      throw second instanceof RegistryFault && NO_METHOD.has(second.status ?? 0) ? error : second;
    }
  };
}

function tokenUrl(realm: URL, server: TokenServer, scopes: readonly string[]): URL {
  const url = new URL(realm);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  url.searchParams.set("service", server.challenge.parameters.service ?? "");
  return url;
}

function oauthRequest(
  url: URL,
  server: TokenServer,
  grant: Readonly<Record<string, string>>,
  scopes: readonly string[],
): TokenRequest {
  const service = server.challenge.parameters.service ?? "";
  const form = new URLSearchParams({
    scope: scopes.join(" "),
    ...(service === "" ? {} : { service }),
    client_id: CLIENT_ID,
    ...grant,
  });
  return {
    method: "POST",
    url,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: Buffer.from(form.toString()),
  };
}

async function ask(
  server: TokenServer,
  tokenRequest: TokenRequest,
  authorizationFor: (url: URL) => string | undefined,
  signal: AbortSignal | undefined,
): Promise<Token> {
  const headersTimeoutMs = Math.min(MAX_RESPONSE_MS, server.http.timeouts.responseMs);
  const request: HttpRequest = { ...tokenRequest, headersTimeoutMs, signal };
  const response = await exchangeFollowing(server.http, request, {
    isInsecure: server.isInsecure,
    authorizationFor,
    check: (to) => checkRealm(to, server),
  });
  await ensureStatus(request, response, SUCCESS);
  const body = (await readAll(request, response, MAX_BODY_BYTES)).toString("utf8");
  const reply = unmarshal(body, tokenReply);
  // The body is not shown: it may contain a token under another name.
  const refuse = (reason: string) =>
    new Fault("EXPORT_AUTH_TOKEN", `no token in bearer response from ${request.url.host}${reason}`);
  if (!reply.ok) throw refuse(`: ${reply.problem}`);
  const token = reply.value.access_token || reply.value.token;
  if (token === "") throw refuse("");
  registerSecret(token);
  const lifetimeMs = reply.value.expires_in * 1000 - ageMs(reply.value.issued_at, response);
  return { token, refreshToken: reply.value.refresh_token, lifetimeMs: Math.max(0, lifetimeMs) };
}

/** The age of a token that the server had cached, by the server's clock: ours may be wrong. */
function ageMs(issuedAt: string, response: HttpResponse): number {
  const age = Date.parse(headerOf(response, "date") ?? "") - Date.parse(issuedAt);
  return Math.max(age || 0, 0);
}

function realmOf(server: TokenServer): URL {
  const { realm } = server.challenge.parameters;
  if (realm === undefined)
    throw new Fault("EXPORT_AUTH_REALM", `${server.registry}: malformed www-authenticate, missing realm`);
  const url = URL.parse(realm);
  if (url === null)
    throw new Fault("EXPORT_AUTH_REALM", `invalid realm in www-authenticate: parsing realm "${realm}": not a URL`);
  checkRealm(url, server);
  return url;
}

/** The realm gets credentials: it must use https and no private address (docs/compatibility.md#private-addresses). */
function checkRealm(url: URL, { registry, scheme }: RegistryEndpoint): void {
  const refuse = (reason: string) =>
    new Fault("EXPORT_AUTH_REALM", `invalid realm in www-authenticate: ${reason}`, { destination: registry });
  if (url.protocol === "http:" && scheme !== "http:")
    throw refuse(`realm scheme "http" not allowed for a secure registry; use https`);
  if (!/^https?:$/.test(url.protocol))
    throw refuse(
      `realm scheme "${url.protocol.slice(0, -1)}" not allowed; must be https (or http for insecure registries)`,
    );
  if (!isOnRegistry(url, registry, scheme) && isPrivateFrom(new URL(`${scheme}//${registry}`), url))
    throw refuse(`realm host "${url.hostname}" is a private or link-local address`);
}
