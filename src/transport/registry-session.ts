import { type Challenge, parseChallenges, pickChallenge } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import type { Http, HttpAnswer } from "./http.ts";
import { ping } from "./ping.ts";
import type { Scheme } from "./registry-host.ts";
import { TokenStore } from "./token-store.ts";

/** What the first contact with a registry told: its scheme, and how to be let in. */
export class RegistrySession {
  readonly scheme: Scheme;
  readonly #credentials: Credentials;
  readonly #tokens: TokenStore | undefined;

  private constructor(scheme: Scheme, credentials: Credentials, tokens: TokenStore | undefined) {
    this.scheme = scheme;
    this.#credentials = credentials;
    this.#tokens = tokens;
  }

  static async open(
    http: Http,
    registry: string,
    isInsecure: boolean,
    credentials: Credentials,
    signal?: AbortSignal,
  ): Promise<RegistrySession> {
    const { scheme, challenge } = await ping(http, registry, isInsecure, signal);
    if (challenge?.scheme !== "bearer") return new RegistrySession(scheme, credentials, undefined);
    const server = { http, registry, scheme, isInsecure, challenge };
    return new RegistrySession(scheme, credentials, new TokenStore(server, credentials));
  }

  /** The Authorization header for requests that need these scopes. */
  async authorization(scopes: readonly string[], signal?: AbortSignal): Promise<string | undefined> {
    if (this.#tokens === undefined) return this.#credentials.authorization;
    return `Bearer ${await this.#tokens.get(scopes, signal)}`;
  }

  /**
   * The header was refused. True when asking for another one makes sense: the token had expired, or it lacked a scope
   * that the registry now names (some do that with 403 instead of 401).
   */
  refused(
    answer: Pick<HttpAnswer, "status" | "headers">,
    scopes: readonly string[],
    header: string | undefined,
  ): boolean {
    if (this.#tokens === undefined || header === undefined) return false;
    const challenge = pickChallenge(parseChallenges(answer.headers["www-authenticate"]));
    if (challenge?.scheme !== "bearer") return false;
    if (answer.status !== 401 && !isInsufficientScope(answer.status, challenge)) return false;
    this.#tokens.refuse(scopes, header.slice("Bearer ".length), challenge.parameters.scope);
    return true;
  }
}

function isInsufficientScope(status: number, challenge: Challenge): boolean {
  return status === 403 && challenge.parameters.error === "insufficient_scope";
}
