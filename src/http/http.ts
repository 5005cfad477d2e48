import { Readable } from "node:stream";
import { Agent, type Dispatcher, ProxyAgent, request as send } from "undici";
import type { Clock } from "../concurrency/clock.ts";
import type { Environment } from "../process/environment.ts";
import { networkFault, retryAfterMs } from "./faults.ts";
import { proxyFor } from "./proxies.ts";
import { Pace } from "./throttle.ts";
import { type TlsSettings, tlsSettings, trustedAuthorities, unverifiedTls } from "./tls.ts";

/** How long registries and connections are waited for, all in ms. */
export interface Patience {
  /** What fails is tried again for so long after the first of failures in a row (`-retry-budget`). */
  readonly budgetMs: number;
  /** The first wait between two tries takes at most this; each further one up to twice as long as the one before. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** Until an answer begins that a registry gives from its index; one that takes longer is overloaded. */
  readonly answerMs: number;
  /** The same for an answer that comes after a whole blob was moved to its final place: minutes on some object stores. */
  readonly commitMs: number;
  /** A connection may take none of the bytes that wait for it, or give none of an answer that has begun, for so long. */
  readonly stallMs: number;
}

/**
 * The compressed layers of a build cost more than these waits, and registries take minutes to be restarted or to
 * forget a rate limit. Silence is shorter: connections that were lost on the way make none, and are replaced by new ones.
 */
export const PATIENCE: Patience = {
  budgetMs: 300_000,
  firstWaitMs: 500,
  longestWaitMs: 15_000,
  answerMs: 60_000,
  commitMs: 600_000,
  stallMs: 60_000,
};

/** Go's dialler and default transport give up after 30 s as well. */
const CONNECT_TIMEOUT_MS = 30_000;

/** Load balancers in front of registries keep an idle connection for 60 s or more; half of that is safe to reuse. */
const KEEP_ALIVE_MS = 30_000;

/** One chunk before the one in the socket: a blob's chunks are used again soon after. */
const READ_AHEAD = { highWaterMark: 1 };

/** Bytes to send: held in memory, or a stream that can be opened again for another try. */
export type RequestBody = Uint8Array | StreamedBody;

export interface StreamedBody {
  /** Bytes in all; undefined while that is not known, which makes the body chunked. */
  readonly length: number | undefined;
  readonly open: () => AsyncIterable<Uint8Array>;
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  /** How long the answer's head may take once the body is sent. */
  readonly headersTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Dispatcher.ResponseData["body"];
  /** The URL that answered, which is another one after a redirect. */
  readonly url: URL;
}

/** The first value of a header, undefined when it is absent or empty. */
export function headerOf(answer: Pick<HttpAnswer, "headers">, name: string): string | undefined {
  const value = answer.headers[name];
  return (Array.isArray(value) ? value[0] : value) || undefined;
}

/** Statuses with which a host may ask to be left alone for a while: GitHub does that with 403 as well. */
const MAY_ASK_TO_WAIT = new Set([403, 429, 503]);

/**
 * Single HTTP/1.1 requests over kept connections; no redirects, no credentials, no retries. HTTP/1.1 because an upload
 * on a connection of its own is not held back by the windows that HTTP/2 streams share. A host that asks to be left alone
 * gets no request until the time is over, whoever sends it.
 */
export class Http {
  readonly patience: Patience;
  readonly #environment: Environment;
  readonly #clock: Clock | undefined;
  #verifying: TlsSettings | undefined;
  readonly #agents = new Map<string, Agent | ProxyAgent>();
  readonly #paces = new Map<string, Pace>();

  readonly #connections: number | undefined;

  /**
   * @param environment for proxies and trusted certificates
   * @param connections per host; requests beyond wait for one
   */
  constructor(environment: Environment, patience: Patience = PATIENCE, clock?: Clock, connections?: number) {
    this.#connections = connections;
    this.#environment = environment;
    this.patience = patience;
    this.#clock = clock;
  }

  /**
   * Sends a request. The caller must read, dump or destroy the response body.
   * @param isInsecure no TLS verification and no proxy (docs/compatibility.md#insecure-registries)
   * @throws RegistryFault if there is no response; errors of the body's source; the signal's reason
   */
  async exchange(request: HttpRequest, isInsecure: boolean): Promise<HttpAnswer> {
    const { method, url, body, signal, headersTimeoutMs } = request;
    const pace = this.#paceOf(url);
    const startedMs = await pace.admit(signal);
    const streamed = body === undefined || body instanceof Uint8Array ? undefined : body;
    const length = streamed?.length;
    const stream = streamed === undefined ? undefined : Readable.from(streamed.open(), READ_AHEAD);
    // Who destroys the stream hears of the error from the request; without a listener it would end the process.
    stream?.on("error", () => undefined);
    try {
      const answer = await send(url, {
        method,
        headers: {
          "user-agent": "tandem",
          ...request.headers,
          ...(length === undefined ? {} : { "content-length": String(length) }),
        },
        body: stream ?? (body instanceof Uint8Array ? body : null),
        dispatcher: this.#dispatcherFor(url, isInsecure),
        headersTimeout: headersTimeoutMs,
        bodyTimeout: this.patience.stallMs,
        ...(signal === undefined ? {} : { signal }),
      });
      // A registry may answer before it has read all. Its answer is read first: to end the body ends the connection.
      answer.body.once("close", () => stream?.destroy());
      const { statusCode: status, headers, body: content } = answer;
      this.#listen(pace, startedMs, { status, headers });
      return { status, headers, body: content, url };
    } catch (error) {
      stream?.destroy();
      signal?.throwIfAborted();
      throw networkFault(method, url, error);
    }
  }

  /** Cuts every connection, also busy ones. */
  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
  }

  /**
   * A wait that nobody has the patience for is not begun: every request then fails by itself, with the host's own words.
   */
  #listen(pace: Pace, startedMs: number, { status, headers }: Pick<HttpAnswer, "status" | "headers">): void {
    const askedMs = MAY_ASK_TO_WAIT.has(status)
      ? retryAfterMs(headerOf({ headers }, "retry-after"), Date.now())
      : undefined;
    if (status !== 429 && askedMs === undefined) pace.served(startedMs);
    else if ((askedMs ?? 0) <= this.patience.budgetMs) pace.refused(startedMs, askedMs);
  }

  #paceOf({ host }: URL): Pace {
    let pace = this.#paces.get(host);
    if (pace === undefined) {
      pace = new Pace(this.#clock);
      this.#paces.set(host, pace);
    }
    return pace;
  }

  /** Made once: for every connection anew it would take longer than the handshake. */
  #verify(): TlsSettings {
    this.#verifying ??= tlsSettings({ ca: trustedAuthorities(this.#environment) }, true);
    return this.#verifying;
  }

  #dispatcherFor(url: URL, isInsecure: boolean): Dispatcher {
    const proxy = isInsecure ? undefined : proxyFor(url, this.#environment);
    // Certificates are read only when a host is spoken to over TLS.
    const isTls = url.protocol === "https:" || proxy?.protocol === "https:";
    const key = `${isInsecure} ${isTls} ${proxy === undefined ? "" : `${url.protocol} ${proxy.href}`}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const tls = isInsecure ? unverifiedTls() : isTls ? this.#verify() : {};
    const options = {
      keepAliveTimeout: KEEP_ALIVE_MS,
      allowH2: false,
      connect: { timeout: CONNECT_TIMEOUT_MS, ...tls },
      ...(this.#connections === undefined ? {} : { connections: this.#connections }),
    };
    const agent =
      proxy === undefined
        ? new Agent(options)
        : new ProxyAgent({
            ...options,
            ...proxyLogin(proxy),
            uri: proxy.href,
            requestTls: tls,
            proxyTls: tls,
            // Like Go: many proxies tunnel to port 443 only.
            proxyTunnel: url.protocol === "https:",
          });
    this.#agents.set(key, agent);
    return agent;
  }
}

/** A user without a password is one too, unlike for undici. */
function proxyLogin({ username, password }: URL): { readonly token?: string } {
  if (username === "") return {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { token: `Basic ${Buffer.from(login).toString("base64")}` };
}
