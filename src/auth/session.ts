import { type Challenge, parseChallenges } from "../http/challenge.ts";
import type { HttpResponse } from "../http/http.ts";
import type { Credentials } from "./credentials.ts";
import { BasicLogin, pickChallenge, type RegistryLogin } from "./login.ts";
import { isOnRegistry, ping, type RegistryAddress, type Scheme } from "./ping.ts";
import type { RegistryEndpoint } from "./token-request.ts";
import { TokenStore } from "./token-store.ts";

export class RegistrySession {
  readonly scheme: Scheme;
  readonly #endpoint: RegistryEndpoint;
  readonly #credentials: Credentials;
  #login: RegistryLogin;

  private constructor(endpoint: RegistryEndpoint, credentials: Credentials, challenge: Challenge | undefined) {
    this.scheme = endpoint.scheme;
    this.#endpoint = endpoint;
    this.#credentials = credentials;
    this.#login = this.#loginFor(challenge);
  }

  static async open(
    address: RegistryAddress,
    credentials: Credentials,
    signal?: AbortSignal,
  ): Promise<RegistrySession> {
    const { scheme, challenge } = await ping(address, signal);
    return new RegistrySession({ ...address, scheme }, credentials, challenge);
  }

  async authorization(scopes: readonly string[], signal?: AbortSignal): Promise<string | undefined> {
    return this.#login.authorization(scopes, signal);
  }

  /**
   * Handles a refused header; true if another one may help: the old one expired, or lacked a scope that the registry
   * now names (icr.io does that with 403 instead of 401), or the registry changed the kind of authentication.
   * Challenges of other hosts, after a redirect, are ignored: they would decide where credentials are sent.
   */
  refused(
    { status, headers, url }: Pick<HttpResponse, "status" | "headers" | "url">,
    scopes: readonly string[],
    header: string | undefined,
  ): boolean {
    if ((status !== 401 && status !== 403) || !isOnRegistry(url, this.#endpoint.registry, this.scheme)) return false;
    const challenge = pickChallenge(parseChallenges(headers["www-authenticate"]), this.#login.scheme);
    if (challenge === undefined) return false;
    if (this.#login.scheme === challenge.scheme) return this.#login.refused({ status, challenge, scopes, header });
    if (status !== 401) return false;
    this.#login = this.#loginFor(challenge);
    return true;
  }

  #loginFor(challenge: Challenge | undefined): RegistryLogin {
    if (challenge?.scheme !== "bearer") return new BasicLogin(this.#credentials);
    return new TokenStore({ ...this.#endpoint, challenge }, this.#credentials);
  }
}
