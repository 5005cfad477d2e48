import { SingleFlight } from "../concurrency/single-flight.ts";
import { RegistryFault } from "../http/faults.ts";
import { ANONYMOUS, Credentials } from "./credentials.ts";
import type { Refusal, RegistryLogin } from "./login.ts";
import { requestToken, type Token, type TokenServer } from "./token-request.ts";

interface Kept {
  readonly token: string;
  readonly renewAtMs: number;
}

/** Renewal margin, or the last fifth of a short lifetime: a request takes time to arrive. */
const RENEW_BEFORE_MS = 30_000;

/**
 * The bearer tokens of one registry: one per set of scopes, requested once for concurrent requests, and renewed before
 * it expires, so that a long upload never starts a request with an expired token.
 */
export class TokenStore implements RegistryLogin {
  readonly scheme = "bearer";
  readonly #nowMs: () => number;
  #server: TokenServer;
  #given: Credentials;
  #credentials: Credentials;
  readonly #kept = new Map<string, Kept>();
  readonly #learned = new Map<string, readonly string[]>();
  readonly #requests = new SingleFlight<string, string>();

  constructor(server: TokenServer, credentials: Credentials, nowMs: () => number = () => performance.now()) {
    this.#server = server;
    this.#given = credentials;
    this.#credentials = credentials;
    this.#nowMs = nowMs;
  }

  async authorization(scopes: readonly string[], signal?: AbortSignal): Promise<string> {
    return `Bearer ${await this.get(scopes, signal)}`;
  }

  async get(scopes: readonly string[], signal?: AbortSignal): Promise<string> {
    if (this.#given.registryToken !== "") return this.#given.registryToken;
    const key = scopes.join(" ");
    const kept = this.#kept.get(key);
    if (kept !== undefined && this.#nowMs() < kept.renewAtMs) return kept.token;
    return this.#requests.share(key, (stop) => this.#fetch(key, scopes, stop), signal);
  }

  refused({ status, challenge, scopes, header }: Refusal): boolean {
    const { scope, service, error } = challenge.parameters;
    if (header === undefined || this.#given.registryToken !== "") return false;
    if (status !== 401 && error !== "insufficient_scope") return false;
    const key = scopes.join(" ");
    const learned = this.#learned.get(key) ?? [];
    const [first = ""] = [...learned, ...scopes];
    if (scope !== undefined && !covers(first, scope))
      this.#learned.set(key, [scope, ...learned.filter((other) => other !== scope)]);
    // Google Artifact Registry names its service only in challenges for a repository (apple/container 2274).
    const { parameters } = this.#server.challenge;
    if (service !== undefined && parameters.service === undefined)
      this.#server = { ...this.#server, challenge: { scheme: this.scheme, parameters: { ...parameters, service } } };
    if (`Bearer ${this.#kept.get(key)?.token}` === header) this.#kept.delete(key);
    return true;
  }

  async #fetch(key: string, scopes: readonly string[], signal: AbortSignal): Promise<string> {
    const startMs = this.#nowMs();
    const all = [...(this.#learned.get(key) ?? []), ...scopes];
    const { token, refreshToken, lifetimeMs } = await this.#request(all, signal);
    if (refreshToken !== "") this.#credentials = new Credentials({ identityToken: refreshToken });
    const marginMs = Math.min(RENEW_BEFORE_MS, lifetimeMs / 5);
    this.#kept.set(key, { token, renewAtMs: startMs + lifetimeMs - marginMs });
    return token;
  }

  async #request(scopes: readonly string[], signal: AbortSignal): Promise<Token> {
    let refusal: unknown;
    for await (const credentials of this.#candidates(scopes)) {
      try {
        const token = await requestToken(this.#server, credentials, scopes, signal);
        if (credentials !== ANONYMOUS) this.#credentials = credentials;
        return token;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refusal ??= error;
      }
    }
    throw refusal;
  }

  async *#candidates(scopes: readonly string[]): AsyncGenerator<Credentials> {
    yield this.#credentials;
    if (this.#credentials !== this.#given) yield this.#given;
    const fresh = await this.#given.renewed();
    if (fresh !== undefined) {
      this.#given = fresh;
      yield fresh;
    }
    // Fall back to anonymous pulls of public repositories.
    if (this.#given.isAmbient && scopes.every((scope) => scope.endsWith(":pull"))) yield ANONYMOUS;
  }
}

/** True if a token for `scope` may do all that one for `other` may. */
function covers(scope: string, other: string): boolean {
  const [resource, actions] = partsOf(scope);
  const [otherResource, otherActions] = partsOf(other);
  return resource === otherResource && otherActions.every((action) => actions.includes(action));
}

/** In a text of several scopes, all but the last one's actions count as the resource. */
function partsOf(scope: string): readonly [resource: string, actions: readonly string[]] {
  const colon = scope.lastIndexOf(":");
  return [scope.slice(0, Math.max(0, colon)), scope.slice(colon + 1).split(",")];
}

function isRefusal(error: unknown): boolean {
  if (!(error instanceof RegistryFault) || error.status === undefined) return false;
  // OAuth2 servers answer 400 to an expired refresh token (RFC 6749 section 5.2, `invalid_grant`).
  return [400, 401, 403].includes(error.status);
}
