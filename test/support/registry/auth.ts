import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { type Exchange, type Handler, type Reply, refusal } from "./exchange.ts";

export interface AuthOptions {
  readonly kind: "basic" | "bearer";
  readonly username: string;
  readonly password: string;
  /** An OAuth2 refresh token that is accepted instead of user and password. */
  readonly identityToken?: string;
  /** Told to clients as `expires_in`, in seconds. */
  readonly lifetimeS?: number;
  /** Refuses requests for a token whose scopes include `delete`. */
  readonly refusesDelete?: boolean;
}

interface Scope {
  readonly repository: string;
  readonly actions: readonly string[];
}

/** Requires credentials with every request; for bearer authentication the fake is its own token server at `/token`. */
export class Auth {
  /** The query of each issued token. */
  readonly issued: string[] = [];
  isSuspended = false;
  readonly #options: AuthOptions;
  readonly #tokens = new Map<string, readonly Scope[]>();

  constructor(options: AuthOptions) {
    this.#options = options;
  }

  expireTokens(): void {
    this.#tokens.clear();
  }

  guard(next: Handler): Handler {
    return async (exchange) => {
      if (this.isSuspended) return next(exchange);
      if (this.#options.kind === "basic")
        return this.#isBasic(exchange) ? next(exchange) : unauthorized('Basic realm="fake"');
      if (exchange.url.pathname === "/token") return this.#issue(exchange);
      const scope = neededScope(exchange);
      const token = /^Bearer (.*)$/.exec(exchange.headers.authorization ?? "")?.[1] ?? "";
      const allowed = this.#tokens.get(token);
      if (allowed !== undefined && (scope === undefined || covers(allowed, scope))) return next(exchange);
      const realm = `Bearer realm="${exchange.url.origin}/token",service="fake"`;
      return unauthorized(
        scope === undefined ? realm : `${realm},scope="repository:${scope.repository}:${scope.actions.join(",")}"`,
      );
    };
  }

  async #issue(exchange: Exchange): Promise<Reply> {
    const form =
      exchange.method === "POST" ? new URLSearchParams(await text(exchange.body)) : exchange.url.searchParams;
    const isKnown =
      exchange.method === "POST"
        ? form.get("refresh_token") === this.#options.identityToken && form.get("grant_type") === "refresh_token"
        : this.#isBasic(exchange);
    if (!isKnown) return unauthorized('Basic realm="token"');
    const scopes = form.getAll("scope").flatMap((scope) => scope.split(" "));
    if (this.#options.refusesDelete && scopes.some((scope) => parseScope(scope).actions.includes("delete")))
      return refusal(403, "DENIED", "deleting is not allowed");
    const token = randomUUID();
    this.issued.push(scopes.join(" "));
    this.#tokens.set(token, scopes.map(parseScope));
    const body = JSON.stringify({ token, expires_in: this.#options.lifetimeS ?? 300 });
    return { status: 200, headers: { "content-type": "application/json" }, body };
  }

  #isBasic({ headers }: Exchange): boolean {
    const { username, password } = this.#options;
    return headers.authorization === `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  }
}

function unauthorized(challenge: string): Reply {
  const reply = refusal(401, "UNAUTHORIZED", "authentication required");
  return { ...reply, headers: { ...reply.headers, "www-authenticate": challenge } };
}

function parseScope(scope: string): Scope {
  const [, repository = "", actions = ""] = scope.split(":");
  return { repository, actions: actions.split(",") };
}

function covers(allowed: readonly Scope[], { repository, actions }: Scope): boolean {
  return actions.every((action) =>
    allowed.some((scope) => scope.repository === repository && scope.actions.includes(action)),
  );
}

function neededScope({ method, url }: Exchange): Scope | undefined {
  const repository = /^\/v2\/(.+)\/(?:blobs|manifests)\//.exec(url.pathname)?.[1];
  if (repository === undefined) return undefined;
  const actions =
    method === "DELETE" ? ["delete"] : method === "GET" || method === "HEAD" ? ["pull"] : ["push", "pull"];
  return { repository, actions };
}
