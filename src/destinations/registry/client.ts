import type { Credentials } from "../../auth/credentials.ts";
import { isOnRegistry, resolveLocation } from "../../auth/ping.ts";
import { RegistrySession } from "../../auth/session.ts";
import { PriorityLimiter } from "../../concurrency/limiter.ts";
import { SingleFlight } from "../../concurrency/single-flight.ts";
import { Fault } from "../../errors/fault.ts";
import { discard, ensureStatus, readAll } from "../../http/body.ts";
import { type Http, type HttpRequest, type HttpResponse, headerOf } from "../../http/http.ts";
import { exchangeFollowing, refusePrivate } from "../../http/redirects.ts";
import type { RequestBody } from "../../http/transport.ts";

/** Concurrent requests without a body: enough for every HEAD of an image, too few to trip rate limits. */
const SMALL_REQUESTS = 16;

export interface RegistryRequest {
  readonly method: HttpRequest["method"];
  readonly target: string | URL;
  readonly scopes: readonly string[];
  readonly expected: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly headersTimeoutMs?: number;
  readonly priority: number;
  readonly signal?: AbortSignal | undefined;
}

export type RegistryResponse = Pick<HttpResponse, "status" | "headers" | "url">;

/**
 * One registry, pinged and logged in to once per export. Methods make one attempt and leave retries to the caller,
 * which knows what is idempotent; only a refused token is renewed and the request repeated, once.
 */
export class RegistryClient {
  readonly registry: string;
  readonly #http: Http;
  readonly #isInsecure: boolean;
  readonly #credentials: () => Credentials;
  readonly #small = new PriorityLimiter(SMALL_REQUESTS);
  readonly #opening = new SingleFlight<"session", RegistrySession>();
  #session: RegistrySession | undefined;

  constructor(registry: string, http: Http, isInsecure: boolean, credentials: () => Credentials) {
    this.registry = registry;
    this.#http = http;
    this.#isInsecure = isInsecure;
    this.#credentials = credentials;
  }

  /** The registry has answered a ping. */
  get isOpen(): boolean {
    return this.#session !== undefined;
  }

  async send(request: RegistryRequest): Promise<RegistryResponse> {
    return this.#small.run(
      request.priority,
      async () => {
        const response = await this.open(request);
        await discard(response);
        return { status: response.status, headers: response.headers, url: response.url };
      },
      0,
      request.signal,
    );
  }

  async read(request: RegistryRequest, maxBytes: number): Promise<RegistryResponse & { readonly bytes: Buffer }> {
    return this.#small.run(
      request.priority,
      async () => {
        const response = await this.open(request);
        const bytes = await readAll(await this.#complete(request), response, maxBytes);
        return { status: response.status, headers: response.headers, url: response.url, bytes };
      },
      0,
      request.signal,
    );
  }

  /** The caller must read or discard the response's body. */
  async open(request: RegistryRequest): Promise<HttpResponse> {
    const session = await this.#connect(request.signal);
    const complete = await this.#complete(request);
    const exchange = (header: string | undefined) =>
      exchangeFollowing(this.#http, complete, {
        isInsecure: this.#isInsecure,
        authorizationFor: (url) => (isOnRegistry(url, this.registry, session.scheme) ? header : undefined),
        resolve: (location, base) => resolveLocation(location, base, this.registry, session.scheme),
        check: (to) => refusePrivate("redirect", complete.url, to),
      });
    const header = await session.authorization(request.scopes, request.signal);
    let response = await exchange(header);
    if (session.refused(response, request.scopes, header)) {
      await discard(response);
      response = await exchange(await session.authorization(request.scopes, request.signal));
    }
    await ensureStatus(complete, response, request.expected);
    return response;
  }

  /**
   * The URL where an upload continues, from a Location header.
   * @throws Fault if it is missing, is not a URL of HTTP, or points into a private network (docs/compatibility.md#private-addresses)
   */
  async location(response: RegistryResponse): Promise<URL> {
    const { scheme } = await this.#connect();
    const text = headerOf(response, "location");
    const url = text === undefined ? undefined : resolveLocation(text, response.url, this.registry, scheme);
    if (url === undefined) {
      const reason = text === undefined || text === "" ? "missing Location header" : "invalid Location header";
      throw new Fault("EXPORT_REGISTRY_PROTOCOL", `${this.registry}: ${reason}`, { destination: this.registry });
    }
    refusePrivate("Location header", response.url, url);
    return url;
  }

  async #complete(request: RegistryRequest): Promise<HttpRequest> {
    const { scheme } = await this.#connect(request.signal);
    const { method, target, headers, body, signal } = request;
    const url = typeof target === "string" ? new URL(`${scheme}//${this.registry}${target}`) : target;
    const headersTimeoutMs = request.headersTimeoutMs ?? this.#http.timeouts.responseMs;
    return { method, url, body, headersTimeoutMs, signal, ...(headers === undefined ? {} : { headers }) };
  }

  async #connect(signal?: AbortSignal): Promise<RegistrySession> {
    if (this.#session !== undefined) return this.#session;
    const open = (stop: AbortSignal) =>
      RegistrySession.open(this.#http, this.registry, this.#isInsecure, this.#credentials(), stop);
    this.#session = await this.#opening.share("session", open, signal);
    return this.#session;
  }
}
