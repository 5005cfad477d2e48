import type { Socket } from "node:net";
import type { Clock } from "../concurrency/clock.ts";
import type { Environment } from "../process/environment.ts";
import { addressOf, dial, secure } from "./dial.ts";
import { networkFault, retryAfterMs, serverTimeMs } from "./faults.ts";
import { proxyFor } from "./proxies.ts";
import { HostThrottle } from "./throttle.ts";
import { type TlsSettings, tlsSettings, trustedAuthorities, unverifiedTls } from "./tls.ts";
import { Connections, exchangeOver, type RawAnswer, type RequestBody } from "./transport.ts";
import { connectThrough, connectThroughSocks, proxyAuthorization } from "./tunnel.ts";

/**
 * Timeouts and retries of requests. A failing request is retried until `budgetMs` after its last progress
 * (`-retry-budget`). Waits between attempts are random, at most `firstWaitMs` at first, and double up to
 * `longestWaitMs`.
 *
 * A response must begin within `answerMs` if a registry answers it from its index (a slower registry is overloaded),
 * and within `commitMs` if it waits until a whole blob reaches its final location, which takes minutes on some object
 * stores. A connection may accept no waiting bytes, or deliver none of a response that has begun, for `stallMs`.
 */
export interface Patience {
  readonly budgetMs: number;
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  readonly answerMs: number;
  readonly commitMs: number;
  readonly stallMs: number;
}

/**
 * A build costs more than these waits, and registries take minutes to restart or to lift a rate limit. Stall timeouts
 * are shorter: a lost connection makes no progress and is replaced.
 */
export const PATIENCE: Patience = {
  budgetMs: 300_000,
  firstWaitMs: 500,
  longestWaitMs: 15_000,
  answerMs: 60_000,
  commitMs: 600_000,
  stallMs: 60_000,
};

const SHORTEST_SILENCE_MS = 5000;

/** No attempt may stall for longer than the retry budget. Without a budget there is only one attempt. */
function withinBudget(patience: Patience): Patience {
  const { budgetMs, answerMs, commitMs, stallMs } = patience;
  if (budgetMs === 0) return patience;
  const mostMs = Math.max(budgetMs, SHORTEST_SILENCE_MS);
  return {
    ...patience,
    answerMs: Math.min(answerMs, mostMs),
    commitMs: Math.min(commitMs, mostMs),
    stallMs: Math.min(stallMs, mostMs),
  };
}

const CONNECT_TIMEOUT_MS = 30_000;

/** Load balancers in front of registries keep idle connections for 60 s or more; half of that is safe. */
const KEEP_ALIVE_MS = 30_000;

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  readonly headersTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer extends RawAnswer {
  readonly url: URL;
}

export function headerOf(answer: Pick<HttpAnswer, "headers">, name: string): string | undefined {
  const value = answer.headers[name];
  return (Array.isArray(value) ? value[0] : value) || undefined;
}

const MAY_ASK_TO_WAIT = new Set([403, 429, 503]);

/**
 * Single HTTP/1.1 requests over kept-alive connections; no redirects, credentials or retries. HTTP/1.1, because an
 * upload on its own connection is not limited by the windows that HTTP/2 streams share. A host that throttles gets no
 * requests until its pause is over.
 */
export class Http {
  readonly patience: Patience;
  readonly #environment: Environment;
  readonly #clock: Clock | undefined;
  readonly #perHost: number | undefined;
  #verifying: TlsSettings | undefined;
  readonly #connections = new Map<string, Connections>();
  readonly #throttles = new Map<string, HostThrottle>();
  readonly #answered = new Set<string>();
  readonly #closed = new AbortController();

  constructor(environment: Environment, patience: Patience = PATIENCE, clock?: Clock, connections?: number) {
    this.#environment = environment;
    this.patience = withinBudget(patience);
    this.#clock = clock;
    this.#perHost = connections;
  }

  /**
   * The caller must read, discard or destroy the response body.
   * @param isInsecure no TLS verification and no proxy (docs/compatibility.md#insecure-registries)
   * @throws RegistryFault without a response; errors of the body's source; the signal's reason
   */
  async exchange(request: HttpRequest, isInsecure: boolean): Promise<HttpAnswer> {
    const { method, url, body, signal, headersTimeoutMs } = request;
    const throttle = this.#throttleOf(url);
    const startedMs = await throttle.admit(signal);
    const proxy = isInsecure ? undefined : proxyFor(url, this.#environment);
    const forwarder = forwardingProxy(url, proxy);
    const authorization = forwarder && proxyAuthorization(forwarder);
    try {
      const answer = await exchangeOver(this.#connectionsTo(url, isInsecure, proxy), {
        method,
        path: forwarder === undefined ? `${url.pathname}${url.search}` : withoutLogin(url),
        headers: {
          host: url.host,
          "user-agent": "tandem",
          ...(authorization === undefined ? {} : { "proxy-authorization": authorization }),
          ...request.headers,
        },
        body,
        headersTimeoutMs,
        bodyTimeoutMs: this.patience.stallMs,
        signal,
      });
      this.#answered.add(url.host);
      this.#listen(throttle, startedMs, answer);
      return { ...answer, url };
    } catch (error) {
      signal?.throwIfAborted();
      throw networkFault(method, url, error, { hasAnswered: this.#answered.has(url.host) });
    }
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error("the client was closed"));
    await Promise.all([...this.#connections.values()].map((connections) => connections.destroy()));
  }

  /**
   * Throttles the host after a rate-limit response, for which GitHub also uses 403. Ignores a pause beyond the budget:
   * each request then fails with the host's own message.
   */
  #listen(
    throttle: HostThrottle,
    startedMs: number,
    { status, headers }: Pick<HttpAnswer, "status" | "headers">,
  ): void {
    const askedMs = MAY_ASK_TO_WAIT.has(status)
      ? retryAfterMs(headerOf({ headers }, "retry-after"), serverTimeMs(headerOf({ headers }, "date")))
      : undefined;
    if (status !== 429 && askedMs === undefined) throttle.served(startedMs);
    else if ((askedMs ?? 0) <= this.patience.budgetMs) throttle.refused(startedMs, askedMs);
  }

  #throttleOf({ host }: URL): HostThrottle {
    let throttle = this.#throttles.get(host);
    if (throttle === undefined) {
      throttle = new HostThrottle(this.#clock);
      this.#throttles.set(host, throttle);
    }
    return throttle;
  }

  #verify(): TlsSettings {
    // Loading the certificates takes longer than a handshake.
    this.#verifying ??= tlsSettings({ ca: trustedAuthorities(this.#environment) }, true);
    return this.#verifying;
  }

  #connectionsTo(url: URL, isInsecure: boolean, proxy: URL | undefined): Connections {
    // A proxy's connections carry requests to every http host.
    const origin = forwardingProxy(url, proxy) === undefined ? url.origin : "";
    const key = `${isInsecure} ${origin} ${proxy?.href ?? ""}`;
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const open = () => this.#open(url, isInsecure, proxy);
    const connections = new Connections(open, KEEP_ALIVE_MS, this.#perHost);
    this.#connections.set(key, connections);
    return connections;
  }

  async #open(url: URL, isInsecure: boolean, proxy: URL | undefined): Promise<Socket> {
    const endMs = performance.now() + CONNECT_TIMEOUT_MS;
    const left = () => ({ timeoutMs: Math.max(1, endMs - performance.now()), signal: this.#closed.signal });
    const tls = isInsecure ? unverifiedTls : () => this.#verify();
    const target = addressOf(url);
    const open = async (): Promise<Socket> => {
      if (proxy === undefined) return await dial(target.host, target.port, left());
      const hop = addressOf(proxy);
      const openHop = () => dial(hop.host, hop.port, left());
      const socket = proxy.protocol === "https:" ? await secure(openHop, hop, tls(), left) : await openHop();
      if (/^socks5h?:$/.test(proxy.protocol)) return await connectThroughSocks(socket, proxy, target, left());
      if (url.protocol === "http:") return socket;
      return await connectThrough(socket, proxy, `${url.hostname}:${target.port}`, left());
    };
    return url.protocol === "https:" ? await secure(open, target, tls(), left) : await open();
  }
}

/** The proxy, if it receives whole requests instead of opening a tunnel. */
function forwardingProxy({ protocol }: URL, proxy: URL | undefined): URL | undefined {
  return protocol === "http:" && /^https?:$/.test(proxy?.protocol ?? "") ? proxy : undefined;
}

function withoutLogin(url: URL): string {
  return `${url.origin}${url.pathname}${url.search}`;
}
