import { SingleFlight } from "../flow/single-flight.ts";
import { Credentials } from "./credentials.ts";
import { requestToken, type Token, type TokenServer } from "./token-request.ts";

interface Kept {
  readonly token: string;
  /** On `performance.now()`'s clock; a new token is fetched from then on. */
  readonly renewAtMs: number;
}

/** A token is renewed this long before it ends, or in the last fifth of a short life: a request takes a moment to arrive. */
const RENEW_BEFORE_MS = 30_000;

/**
 * The bearer tokens of one registry: one for each set of scopes, fetched once however many requests wait for it, and
 * renewed before it expires, so that an upload of hours never starts a request with an old one.
 */
export class TokenStore {
  readonly #server: TokenServer;
  readonly #nowMs: () => number;
  #credentials: Credentials;
  readonly #kept = new Map<string, Kept>();
  readonly #learnt = new Map<string, readonly string[]>();
  readonly #requests = new SingleFlight<string, string>();

  constructor(server: TokenServer, credentials: Credentials, nowMs: () => number = () => performance.now()) {
    this.#server = server;
    this.#credentials = credentials;
    this.#nowMs = nowMs;
  }

  /** The token for these scopes, a kept one if it lives long enough. */
  async get(scopes: readonly string[], signal?: AbortSignal): Promise<string> {
    if (this.#credentials.registryToken !== "") return this.#credentials.registryToken;
    const key = scopes.join(" ");
    const kept = this.#kept.get(key);
    if (kept !== undefined && this.#nowMs() < kept.renewAtMs) return kept.token;
    return this.#requests.share(key, (stop) => this.#fetch(key, scopes, stop), signal);
  }

  /**
   * The registry refused `token`: forgets it, unless a newer one is there already.
   * @param wanted a scope that the registry named, asked for first from now on
   */
  refuse(scopes: readonly string[], token: string, wanted: string | undefined): void {
    const key = scopes.join(" ");
    if (wanted !== undefined && !scopes.includes(wanted)) {
      const learnt = this.#learnt.get(key) ?? [];
      if (!learnt.includes(wanted)) this.#learnt.set(key, [wanted, ...learnt]);
    }
    if (this.#kept.get(key)?.token === token) this.#kept.delete(key);
  }

  async #fetch(key: string, scopes: readonly string[], signal: AbortSignal): Promise<string> {
    const startMs = this.#nowMs();
    const all = [...(this.#learnt.get(key) ?? []), ...scopes];
    const { token, refreshToken, lifetimeMs }: Token = await requestToken(this.#server, this.#credentials, all, signal);
    if (refreshToken !== "") this.#credentials = new Credentials({ identityToken: refreshToken });
    const marginMs = Math.min(RENEW_BEFORE_MS, lifetimeMs / 5);
    this.#kept.set(key, { token, renewAtMs: startMs + lifetimeMs - marginMs });
    return token;
  }
}
