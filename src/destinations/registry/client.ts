import type { Credentials } from "../../auth/credentials.ts";
import { isOnRegistry, type RegistryAddress, resolveLocation, type Scheme } from "../../auth/ping.ts";
import { RegistrySession } from "../../auth/session.ts";
import { PriorityLimiter } from "../../concurrency/limiter.ts";
import { SingleFlight } from "../../concurrency/single-flight.ts";
import { Fault } from "../../errors/fault.ts";
import { discard, ensureStatus, readAll } from "../../http/body.ts";
import { RegistryFault } from "../../http/faults.ts";
import { type HttpRequest, type HttpResponse, headerOf } from "../../http/http.ts";
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
  readonly #address: RegistryAddress;
  readonly #credentials: () => Credentials;
  readonly #small = new PriorityLimiter(SMALL_REQUESTS);
  readonly #opening = new SingleFlight<"session", RegistrySession>();
  #session: RegistrySession | undefined;

  constructor(address: RegistryAddress, credentials: () => Credentials) {
    this.#address = address;
    this.#credentials = credentials;
  }

  /** The registry has answered a ping. */
  get isOpen(): boolean {
    return this.#session !== undefined;
  }

  async send(request: RegistryRequest): Promise<RegistryResponse> {
    return this.#asSmall(request, async (response) => {
      await discard(response);
      return response;
    });
  }

  async read(request: RegistryRequest, maxBytes: number): Promise<RegistryResponse & { readonly bytes: Buffer }> {
    return this.#asSmall(request, async (response) => {
      const bytes = await readAll(request, response, maxBytes);
      return { ...response, bytes };
    });
  }

  /** The caller must read or discard the response's body. */
  async open(request: RegistryRequest): Promise<HttpResponse> {
    const { http, registry, isInsecure } = this.#address;
    const session = await this.#connect(request.signal);
    const complete = this.#complete(request, session.scheme);
    const exchange = (header: string | undefined) =>
      exchangeFollowing(http, complete, {
        isInsecure,
        authorizationFor: (url) => (isOnRegistry(url, registry, session.scheme) ? header : undefined),
        resolve: (location, base) => resolveLocation(location, base, registry, session.scheme),
        check: (to) => refusePrivate("redirect", complete.url, to),
      }).catch((error: unknown) => this.#rethrow(error, session));
    const header = await session.authorization(request.scopes, request.signal);
    let response = await exchange(header);
    if (session.refused(response, request.scopes, header)) {
      await discard(response);
      response = await exchange(await session.authorization(request.scopes, request.signal));
    }
    await ensureStatus(request, response, request.expected).catch((error: unknown) => this.#rethrow(error, session));
    return response;
  }

  /**
   * Adds advice if the host that failed is one that the registry referred to, in a redirect or an upload's Location.
   */
  #rethrow(error: unknown, { scheme }: RegistrySession): never {
    if (!(error instanceof RegistryFault) || error.destination === undefined) throw error;
    const { registry } = this.#address;
    const { destination } = error;
    if (isOnRegistry(new URL(`${scheme}//${destination}`), registry, scheme)) throw error;
    throw error.fromElsewhere(
      `${registry} refers to ${destination}: if it should not, correct its external address, or configure the proxy in front of it to pass on Host and X-Forwarded-Proto.`,
    );
  }

  /**
   * The URL where an upload continues, from a Location header.
   * @throws Fault if it is missing, is not a URL of HTTP, or points into a private network
   * (docs/compatibility.md#private-addresses)
   */
  async location(response: RegistryResponse): Promise<URL> {
    const { registry } = this.#address;
    const { scheme } = await this.#connect();
    const text = headerOf(response, "location");
    const url = text === undefined ? undefined : resolveLocation(text, response.url, registry, scheme);
    if (url === undefined) {
      const reason = text === undefined || text === "" ? "missing Location header" : "invalid Location header";
      throw new Fault("EXPORT_REGISTRY_PROTOCOL", `${registry}: ${reason}`, { destination: registry });
    }
    refusePrivate("Location header", response.url, url);
    return url;
  }

  async #asSmall<T>(request: RegistryRequest, receive: (response: HttpResponse) => Promise<T>): Promise<T> {
    const task = async () => receive(await this.open(request));
    return this.#small.run({ priority: request.priority }, task, request.signal);
  }

  #complete({ target, ...request }: RegistryRequest, scheme: Scheme): HttpRequest {
    const { http, registry } = this.#address;
    const url = typeof target === "string" ? new URL(`${scheme}//${registry}${target}`) : target;
    return { headersTimeoutMs: http.timeouts.responseMs, ...request, url };
  }

  async #connect(signal?: AbortSignal): Promise<RegistrySession> {
    if (this.#session !== undefined) return this.#session;
    const open = (stop: AbortSignal) => RegistrySession.open(this.#address, this.#credentials(), stop);
    this.#session = await this.#opening.share("session", open, signal);
    return this.#session;
  }
}
