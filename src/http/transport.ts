import { addAbortListener } from "node:events";
import type { Socket } from "node:net";
import { pipeline, Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { createGunzip } from "node:zlib";
import { Client, type Dispatcher, errors } from "undici";
import { isSystemError } from "../go/errno.ts";
import { HttpError } from "./http-error.ts";
import { MAX_HEAD_BYTES, ResponseHeads } from "./response-heads.ts";

/** One chunk besides the one in the socket, because blobs reuse their chunks soon. */
const READ_AHEAD = { highWaterMark: 1 };

/** undici requires an origin and speaks plain HTTP to it; the connections may already be TLS. */
const ORIGIN = "http://connection";

const FOR_EVER_MS = 24 * 3_600_000;

export type RequestBody = Uint8Array | StreamedBody;

export interface StreamedBody {
  /** Total bytes; if undefined, the body is sent chunked. */
  readonly length: number | undefined;
  readonly open: () => AsyncIterable<Uint8Array>;
}

type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** The body must be read to its end or destroyed; its gzip coding is removed. */
export interface RawResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Readable;
}

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  /** Until the response begins, once the body is sent; 0 for no limit. */
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

interface WaitingRequest {
  send(connection: KeptConnection): void;
  fail(error: unknown): void;
}

/**
 * A pool of connections. As in Go, a request takes the first one that is free, which need not be the one that was
 * opened for it: behind a limit of connections, that one may open late or never.
 */
export class Connections {
  readonly #open: () => Promise<Socket>;
  readonly #limit: number;
  readonly #options: Client.Options;
  /** Oldest first. */
  readonly #opened = new Set<KeptConnection>();
  /** Oldest first. */
  readonly #waiting = new Set<WaitingRequest>();
  #opening = 0;
  #isClosed = false;

  /**
   * @param open opens a connection to speak HTTP over
   * @param idleMs keep-alive limit, lowered by what the server announces. Infinite: until the server closes the
   * connection, whatever it announces
   */
  constructor(open: () => Promise<Socket>, idleMs: number, limit = Number.POSITIVE_INFINITY) {
    const isKept = idleMs === Number.POSITIVE_INFINITY;
    const keepAliveMs = isKept ? FOR_EVER_MS : idleMs;
    this.#open = open;
    this.#limit = limit;
    this.#options = {
      allowH2: false,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      // Subtracted from what the server announces, which disables it.
      ...(isKept ? { keepAliveTimeoutThreshold: -FOR_EVER_MS } : {}),
      maxHeaderSize: MAX_HEAD_BYTES,
    };
  }

  get isBusy(): boolean {
    return this.#waiting.size > 0 || [...this.#opened].some(({ isFree }) => !isFree);
  }

  /** @throws the error of opening a connection, if none was free first */
  async request(options: Dispatcher.RequestOptions, signal: AbortSignal | undefined): Promise<Dispatcher.ResponseData> {
    // undici frees a connection a turn after its response ends. Without the wait, the next request would open another.
    await nextTurn();
    signal?.throwIfAborted();
    if (this.#isClosed) throw new errors.ClientDestroyedError();
    const { promise, resolve, reject } = Promise.withResolvers<Dispatcher.ResponseData>();
    const waiting: WaitingRequest = {
      send: (connection) => {
        this.#waiting.delete(waiting);
        resolve(connection.send(signal === undefined ? options : { ...options, signal }));
      },
      fail: (error) => {
        this.#waiting.delete(waiting);
        reject(error);
      },
    };
    this.#waiting.add(waiting);
    using _abort = signal && addAbortListener(signal, () => waiting.fail(signal.reason));
    this.#serve();
    return await promise;
  }

  async destroy(): Promise<void> {
    this.#isClosed = true;
    for (const waiting of this.#waiting) waiting.fail(new errors.ClientDestroyedError());
    await Promise.all([...this.#opened].map((connection) => connection.end()));
  }

  readonly #serve = (): void => {
    for (const connection of this.#opened) {
      const [oldest] = this.#waiting;
      if (connection.isFree) oldest?.send(connection);
    }
    for (const waiting of [...this.#waiting].slice(this.#opening)) {
      if (this.#isClosed || this.#opened.size + this.#opening >= this.#limit) return;
      void this.#openFor(waiting);
    }
  };

  async #openFor(waiting: WaitingRequest): Promise<void> {
    this.#opening += 1;
    try {
      this.#add(await this.#open());
    } catch (error) {
      waiting.fail(error);
    } finally {
      this.#opening -= 1;
    }
    this.#serve();
  }

  #add(socket: Socket): void {
    if (this.#isClosed) {
      socket.destroy();
      return;
    }
    const kept = (opened: Socket): Socket => {
      this.#opened.add(connection);
      const remove = () => this.#opened.delete(connection);
      // undici listens from the first request on.
      return opened.on("error", remove).once("close", remove);
    };
    const connection = new KeptConnection(this.#options, socket, async () => kept(await this.#open()));
    connection.on("drain", this.#serve);
    kept(socket);
  }
}

export const DEFAULT_TIERING_BUDGET = 13_000_000;

const ENDLESS_TIERING_BUDGET = 2_000_000_000;

let isParserDue = false;

/**
 * Keeps V8 from optimizing undici's parser, which is one large WebAssembly function: after some 30 header lines that
 * takes 25 ms of CPU and 12 MB, which parsing responses never repays. Changes a flag of the process while the first
 * connection compiles the parser, so it is for the command, not for a library in a host's process. The flag is set back
 * to V8's default, because V8 accepts compiled code only with the flags that it was made with.
 */
export function keepParserUnoptimized(): void {
  isParserDue = true;
}

function withParserBudget(connect: () => void): void {
  if (!isParserDue) {
    connect();
    return;
  }
  isParserDue = false;
  setFlagsFromString(`--wasm-tiering-budget=${ENDLESS_TIERING_BUDGET}`);
  try {
    connect();
  } finally {
    setFlagsFromString(`--wasm-tiering-budget=${DEFAULT_TIERING_BUDGET}`);
  }
}

/** Sends one request at a time, over an open socket. */
class KeptConnection extends Client {
  #isFree = true;
  #unused: Socket | undefined;
  #heads: ResponseHeads | undefined;
  #responses = 0;
  #isAfterHead = false;

  /** @param reopen for a request that is sent before undici has noticed that the socket was closed */
  constructor(options: Client.Options, socket: Socket, reopen: () => Promise<Socket>) {
    super(ORIGIN, {
      ...options,
      connect: (_, callback) => {
        const opened = this.#unused === undefined ? reopen() : Promise.resolve(this.#unused.setTimeout(0));
        this.#unused = undefined;
        opened.then(
          (connected) => {
            this.#heads = new ResponseHeads(connected);
            this.#responses = 0;
            this.#isAfterHead = false;
            withParserBudget(() => callback(null, connected));
          },
          (error) => callback(error, null),
        );
      },
    });
    // undici limits only how long a connection is idle after a request.
    this.#unused = socket.setTimeout(options.keepAliveTimeout ?? 0, () => socket.destroy());
    this.on("drain", () => {
      this.#isFree = true;
    });
  }

  /** False while it has a request, or is about to close. */
  get isFree(): boolean {
    return this.#isFree;
  }

  send(request: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
    const response = this.request(request);
    // A request that undici refuses is not in its queue.
    this.#isFree = this.stats.size === 0;
    return response;
  }

  async end(): Promise<void> {
    this.#unused?.destroy();
    await this.destroy();
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    let hasResponse = false;
    return super.dispatch(options, {
      onRequestStart: (controller, context) => {
        this.#heads?.expect("request");
        handler.onRequestStart?.(controller, context);
      },
      onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
      onResponseStart: (...args) => {
        hasResponse = true;
        handler.onResponseStart?.(...args);
      },
      onResponseData: (...args) => handler.onResponseData?.(...args),
      onResponseEnd: (...args) => {
        this.#responses += 1;
        this.#isAfterHead = options.method === "HEAD";
        this.#heads?.rest();
        handler.onResponseEnd?.(...args);
      },
      onResponseError: (controller, error) => {
        const state = { hasResponse, isFirst: this.#responses === 0, isAfterHead: this.#isAfterHead };
        handler.onResponseError?.(controller, httpError(error, options, state));
      },
    });
  }
}

function httpError(
  error: Error,
  { headersTimeout, bodyTimeout }: Dispatcher.DispatchOptions,
  {
    hasResponse,
    isFirst,
    isAfterHead,
  }: { readonly hasResponse: boolean; readonly isFirst: boolean; readonly isAfterHead: boolean },
): Error {
  if (error instanceof errors.HeadersTimeoutError)
    return new HttpError("HTTP_HEADERS_TIMEOUT", "timeout awaiting response headers", {
      silentMs: headersTimeout ?? 0,
    });
  if (error instanceof errors.BodyTimeoutError)
    return new HttpError("HTTP_BODY_TIMEOUT", "timeout awaiting response body", { silentMs: bodyTimeout ?? 0 });
  if (error instanceof errors.HeadersOverflowError) return new HttpError("HPE_HEADER_OVERFLOW", error.message);
  // The body that some servers send after a response to HEAD, which has none.
  if (error instanceof errors.HTTPParserError && isAfterHead && !hasResponse)
    return new HttpError("HTTP_EOF", "EOF", { isFirst });
  if (error instanceof errors.HTTPParserError)
    return new HttpError(error.code ?? "HPE_INVALID", error.message, {
      data: "data" in error ? String(error.data) : "",
    });
  if (error instanceof errors.ResponseContentLengthMismatchError) return new HttpError("HTTP_EOF", "unexpected EOF");
  if (error instanceof errors.SocketError && error.message === "bad upgrade")
    return new HttpError("HPE_INVALID_UPGRADE", "unexpected switch of protocols");
  if (error instanceof errors.SocketError)
    return new HttpError("HTTP_EOF", hasResponse ? "unexpected EOF" : "EOF", { isFirst });
  const isReset = isSystemError(error, "ECONNRESET", "EPIPE") && error.syscall !== "connect";
  if (isReset && !hasResponse && !isFirst) return new HttpError(error.code, error.message, { isFirst });
  return error;
}

/**
 * Sends one HTTP/1.1 request over a kept or new connection, and accepts the responses that Go's `net/http` accepts. A
 * response may arrive before the body is sent completely; the body then ends with the response.
 * A GET or HEAD is sent again over another connection if the server closed or reset the kept one before responding, as
 * in Go.
 * @throws the error of the connection, or of the body's source; HttpError
 */
export async function exchangeOver(connections: Connections, request: RawRequest): Promise<RawResponse> {
  const { method, path, headers, body, headersTimeoutMs, bodyTimeoutMs, signal } = request;
  const streamed = body === undefined || body instanceof Uint8Array ? undefined : body;
  const length = streamed?.length;
  for (;;) {
    const stream = streamed === undefined ? undefined : Readable.from(streamed.open(), READ_AHEAD);
    // The request reports the stream's error; without a listener it would end the process.
    stream?.on("error", () => undefined);
    try {
      const response = await connections.request(
        {
          method,
          path,
          headers: { ...headers, ...(length === undefined ? {} : { "content-length": String(length) }) },
          body: stream ?? (body instanceof Uint8Array ? body : null),
          headersTimeout: headersTimeoutMs,
          bodyTimeout: bodyTimeoutMs,
          // undici would close the connection after a HEAD, as some servers send a body. ResponseHeads notices one.
          reset: false,
        },
        signal,
      );
      // A server may respond before reading the whole body. Read its response first: ending the body ends the
      // connection.
      response.body.once("close", () => stream?.destroy());
      return decoded(response, request);
    } catch (error) {
      stream?.destroy();
      const isStale = error instanceof HttpError && error.isFirst === false;
      if (!isStale || !["GET", "HEAD"].includes(method)) throw error;
    }
  }
}

/** Opens the body only when it is read: a request that is sent again for a free connection has read nothing. */
function decoded({ statusCode: status, headers, body }: Dispatcher.ResponseData, request: RawRequest): RawResponse {
  const { "content-encoding": coding, "content-length": _length, ...others } = headers;
  const isCoded = typeof coding === "string" && /^(?:x-)?gzip$/i.test(coding);
  if (!isCoded || request.method === "HEAD" || request.headers.range !== undefined) return { status, headers, body };
  return { status, headers: others, body: pipeline(body, createGunzip(), () => undefined) };
}
