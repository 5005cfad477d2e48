import type { Clock } from "../concurrency/clock.ts";
import type { Environment } from "../process/environment.ts";
import { retryAfterMs, serverTimeMs } from "./faults.ts";
import { networkFault } from "./network-faults.ts";
import { proxyFor } from "./proxies.ts";
import { Routes, requestHead } from "./routes.ts";
import { HostThrottle } from "./throttle.ts";
import { exchangeOver, type RawRequest, type RawResponse, type RequestBody } from "./transport.ts";
import { UploadBody } from "./upload-body.ts";
import { fileBody, type UploadThreads } from "./upload-threads.ts";

/**
 * Timeouts and retries of requests. A failing request is retried until `budgetMs` after its last progress
 * (`-retry-budget`). Waits between attempts are random, at most `firstWaitMs` at first, and double up to
 * `longestWaitMs`.
 *
 * A connection must open within `connectMs`. A response must begin within `responseMs` if a registry answers it from
 * its index (a slower registry is overloaded), and within `commitMs` if it waits until a whole blob reaches its final
 * location, which takes minutes on some object stores. A query for an upload's offset may take `statusMs`, because the
 * upload can also restart. A connection fails after `stallMs` in which it accepts no waiting bytes, or delivers nothing
 * of a response that has begun.
 */
export interface Timeouts {
  readonly budgetMs: number;
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  readonly connectMs: number;
  readonly responseMs: number;
  readonly commitMs: number;
  readonly statusMs: number;
  readonly stallMs: number;
}

/**
 * A build costs more than these waits, and registries take minutes to restart or to lift a rate limit. Stall timeouts
 * are shorter: a lost connection makes no progress and is replaced.
 */
export const DEFAULT_TIMEOUTS: Timeouts = {
  budgetMs: 300_000,
  firstWaitMs: 500,
  longestWaitMs: 15_000,
  connectMs: 30_000,
  responseMs: 60_000,
  commitMs: 600_000,
  statusMs: 5_000,
  stallMs: 60_000,
};

const MIN_SILENCE_MS = 5000;

/** No attempt may stall for longer than the retry budget. Without a budget there is only one attempt. */
function withinBudget(timeouts: Timeouts): Timeouts {
  const { budgetMs, connectMs, responseMs, commitMs, stallMs } = timeouts;
  if (budgetMs === 0) return timeouts;
  const maxMs = Math.max(budgetMs, MIN_SILENCE_MS);
  return {
    ...timeouts,
    connectMs: Math.min(connectMs, maxMs),
    responseMs: Math.min(responseMs, maxMs),
    commitMs: Math.min(commitMs, maxMs),
    stallMs: Math.min(stallMs, maxMs),
  };
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  readonly headersTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** `proxy`: the one that the request went through. */
export interface HttpResponse extends RawResponse {
  readonly url: URL;
  readonly proxy?: URL | undefined;
}

export function headerOf(response: Pick<HttpResponse, "headers">, name: string): string | undefined {
  const value = response.headers[name];
  return (Array.isArray(value) ? value[0] : value) || undefined;
}

const MAY_ASK_TO_WAIT = new Set([403, 429, 503]);

/** Defaults: {@link DEFAULT_TIMEOUTS}, the system's clock, unlimited connections, and uploads by the calling thread. */
export interface HttpOptions {
  readonly timeouts?: Timeouts | undefined;
  readonly clock?: Clock | undefined;
  /** Limit per route. */
  readonly connections?: number | undefined;
  readonly uploadThreads?: UploadThreads | undefined;
}

/**
 * Single HTTP/1.1 requests over kept-alive connections; no redirects, credentials or retries. HTTP/1.1, because an
 * upload on its own connection is not limited by the windows that HTTP/2 streams share. A host that throttles gets no
 * requests until its pause is over.
 */
export class Http {
  readonly timeouts: Timeouts;
  readonly #environment: Environment;
  readonly #clock: Clock | undefined;
  readonly #routes: Routes;
  readonly #uploadThreads: UploadThreads | undefined;
  readonly #throttles = new Map<string, HostThrottle>();
  /** Origins: a port may answer over HTTP although its TLS fails. */
  readonly #responded = new Set<string>();

  constructor(environment: Environment, options: HttpOptions = {}) {
    this.timeouts = withinBudget(options.timeouts ?? DEFAULT_TIMEOUTS);
    this.#environment = environment;
    this.#clock = options.clock;
    this.#routes = new Routes(environment, options.connections);
    this.#uploadThreads = options.uploadThreads;
  }

  /**
   * The caller must read, discard or destroy the response body.
   * @param isInsecure no TLS verification and no proxy (docs/compatibility.md#insecure-registries)
   * @throws RegistryFault without a response; errors of the body's source; the signal's reason
   */
  async exchange(request: HttpRequest, isInsecure: boolean): Promise<HttpResponse> {
    const { method, url, body, signal, headersTimeoutMs } = request;
    const throttle = this.#throttleOf(url);
    const startedMs = await throttle.admit(signal);
    const proxy = isInsecure ? undefined : proxyFor(url, this.#environment);
    const { connectMs, stallMs } = this.timeouts;
    const route = { url, isInsecure, proxy, connectMs };
    const { path, headers } = requestHead(route, `${url.pathname}${url.search}`);
    try {
      const raw: RawRequest = {
        method,
        path,
        headers: { ...headers, ...request.headers },
        body,
        headersTimeoutMs,
        bodyTimeoutMs: stallMs,
        signal,
      };
      const file = body instanceof UploadBody && body.isLarge ? fileBody(body) : undefined;
      const response =
        file !== undefined && this.#uploadThreads?.isAlive === true
          ? await this.#uploadThreads.exchange(route, raw, file)
          : await exchangeOver(this.#routes.connectionsOf(route), raw);
      this.#responded.add(url.origin);
      this.#updateThrottle(throttle, startedMs, response);
      return { ...response, url, proxy };
    } catch (error) {
      signal?.throwIfAborted();
      throw networkFault(method, { url, proxy }, error, { hasResponded: this.#responded.has(url.origin), connectMs });
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#routes.close(), this.#uploadThreads?.close()]);
  }

  /**
   * Throttles the host after a rate-limit response, for which GitHub also uses 403. Ignores a pause beyond the budget:
   * each request then fails with the host's own message.
   */
  #updateThrottle(
    throttle: HostThrottle,
    startedMs: number,
    { status, headers }: Pick<HttpResponse, "status" | "headers">,
  ): void {
    const askedMs = MAY_ASK_TO_WAIT.has(status)
      ? retryAfterMs(headerOf({ headers }, "retry-after"), serverTimeMs(headerOf({ headers }, "date")))
      : undefined;
    if (status !== 429 && askedMs === undefined) throttle.served(startedMs);
    else if ((askedMs ?? 0) <= this.timeouts.budgetMs) throttle.refused(startedMs, askedMs);
  }

  #throttleOf({ host }: URL): HostThrottle {
    let throttle = this.#throttles.get(host);
    if (throttle === undefined) {
      throttle = new HostThrottle(this.#clock);
      this.#throttles.set(host, throttle);
    }
    return throttle;
  }
}
