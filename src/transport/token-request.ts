import { z } from "zod";
import { Fault } from "../faults/fault.ts";
import { ensureStatus, readAll } from "./answer-body.ts";
import type { Challenge } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import type { Http, HttpRequest } from "./http.ts";
import { isPrivateAddress } from "./private-address.ts";
import { exchangeFollowing } from "./redirects.ts";
import { RegistryFault } from "./registry-fault.ts";
import type { Scheme } from "./registry-host.ts";

const TIMEOUT_MS = 30_000;
/** As in go-containerregistry (transport/bearer.go). */
const MAX_BODY_BYTES = 64 << 10;
/** The token specification's default: "For compatibility with older clients ... assumed to be 60 seconds". */
const DEFAULT_LIFETIME_S = 60;

/** The reference's, which some token servers know. */
const CLIENT_ID = "go-containerregistry";

const replySchema = z.object({
  token: z.string().default(""),
  access_token: z.string().default(""),
  refresh_token: z.string().default(""),
  expires_in: z.number().nonnegative().catch(DEFAULT_LIFETIME_S).default(DEFAULT_LIFETIME_S),
});

export interface Token {
  readonly token: string;
  /** An identity token to use from now on, "" if none was given. */
  readonly refreshToken: string;
  readonly lifetimeMs: number;
}

/** The token server of one registry, as its challenge names it. */
export interface TokenServer {
  readonly http: Http;
  readonly registry: string;
  readonly scheme: Scheme;
  readonly isInsecure: boolean;
  readonly challenge: Challenge;
}

/**
 * Gets a bearer token (contract 9.3; distribution v2.8.3 docs/spec/auth/token.md and oauth.md): an identity token by POST,
 * and by GET where the server does not know that; anything else by GET.
 * @param scopes the one that matters most first, because some registries read only that
 * @throws Fault for a realm that must not be asked; RegistryFault when it refuses
 */
export async function requestToken(
  server: TokenServer,
  credentials: Credentials,
  scopes: readonly string[],
  signal?: AbortSignal,
): Promise<Token> {
  const realm = realmOf(server);
  if (credentials.identityToken !== "") {
    try {
      return await ask(server, oauthRequest(realm, server, credentials, scopes, signal), () => undefined);
    } catch (error) {
      if (!(error instanceof RegistryFault) || error.status !== 404) throw error;
    }
  }
  const url = new URL(realm);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  url.searchParams.set("service", server.challenge.parameters.service ?? "");
  const request = { method: "GET", url, headersTimeoutMs: TIMEOUT_MS, signal } as const;
  return ask(server, request, (to) => (to.host === realm.host ? credentials.authorization : undefined));
}

function oauthRequest(
  url: URL,
  server: TokenServer,
  credentials: Credentials,
  scopes: readonly string[],
  signal: AbortSignal | undefined,
): HttpRequest {
  const service = server.challenge.parameters.service ?? "";
  const form = new URLSearchParams({
    scope: scopes.join(" "),
    ...(service === "" ? {} : { service }),
    client_id: CLIENT_ID,
    grant_type: "refresh_token",
    refresh_token: credentials.identityToken,
  });
  return {
    method: "POST",
    url,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: Buffer.from(form.toString()),
    headersTimeoutMs: TIMEOUT_MS,
    signal,
  };
}

async function ask(
  server: TokenServer,
  request: HttpRequest,
  authorizationFor: (url: URL) => string | undefined,
): Promise<Token> {
  const answer = await exchangeFollowing(server.http, request, {
    isInsecure: server.isInsecure,
    authorizationFor,
    check: (to) => checkRealm(to, server),
  });
  await ensureStatus(request, answer, [200]);
  const body = (await readAll(request, answer, MAX_BODY_BYTES)).toString("utf8");
  const reply = parseReply(body);
  const token = reply?.access_token || reply?.token;
  // The body is not shown: it may hold a token under another name.
  if (reply === undefined || !token)
    throw new Fault("EXPORT_AUTH_TOKEN", `no token in bearer response from ${request.url.host}`);
  return { token, refreshToken: reply.refresh_token, lifetimeMs: (reply.expires_in || DEFAULT_LIFETIME_S) * 1000 };
}

function parseReply(body: string): z.infer<typeof replySchema> | undefined {
  try {
    return replySchema.parse(JSON.parse(body));
  } catch {
    return undefined;
  }
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

/** Credentials go there, so it must be https, and may not be an address inside our network (contract 9.3). */
function checkRealm(url: URL, server: TokenServer): void {
  const refuse = (reason: string) =>
    new Fault("EXPORT_AUTH_REALM", `invalid realm in www-authenticate: ${reason}`, { destination: server.registry });
  const scheme = url.protocol.slice(0, -1);
  if (scheme === "http" && server.scheme !== "http:")
    throw refuse(`realm scheme "http" not allowed for a secure registry; use https`);
  if (scheme !== "http" && scheme !== "https")
    throw refuse(`realm scheme "${scheme}" not allowed; must be https (or http for insecure registries)`);
  if (url.host !== server.registry && isPrivateAddress(url))
    throw refuse(`realm host "${url.hostname}" is a private or link-local address`);
}
