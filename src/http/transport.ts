import type { Socket } from "node:net";
import { pipeline, Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { createGunzip } from "node:zlib";
import { Client, type Dispatcher, errors, Pool } from "undici";
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
  /** Called once the request has a connection. */
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

/** Aborts a request that still waits for its new connection, because another connection is free. */
const FREED = new Error("another connection is free");

interface StartHook {
  /** Called when the request has its connection. */
  readonly onStart?: () => void;
}

export class Connections {
  readonly #pool: Pool;
  /** Requests that wait for a new connection, oldest first. */
  readonly #waiting = new Set<AbortController>();

  /** As in Go, a request takes the first free connection: behind a connection limit, its own may never open. */
  readonly #onFree = async (): Promise<void> => {
    await nextTurn();
    const [oldest] = this.#waiting;
    if (this.#pool.stats.free > 0) oldest?.abort(FREED);
  };

  /**
   * @param open opens a connection to speak HTTP over
   * @param idleMs keep-alive limit, lowered by what the server announces. Infinite: until the server closes the
   * connection, whatever it announces
   */
  constructor(open: () => Promise<Socket>, idleMs: number, connections = Number.POSITIVE_INFINITY) {
    const isKept = idleMs === Number.POSITIVE_INFINITY;
    const keepAliveMs = isKept ? FOR_EVER_MS : idleMs;
    this.#pool = new Pool(ORIGIN, {
      connections: Number.isFinite(connections) ? connections : null,
      allowH2: false,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      // Subtracted from what the server announces, which disables it.
      ...(isKept ? { keepAliveTimeoutThreshold: -FOR_EVER_MS } : {}),
      maxHeaderSize: MAX_HEAD_BYTES,
      factory: (origin, options) =>
        new LenientClient(origin, options, open).on("connect", this.#onFree).on("drain", this.#onFree),
    });
  }

  get isBusy(): boolean {
    const { pending, queued, running } = this.#pool.stats;
    return pending + queued + running > 0;
  }

  /** @throws FREED if another connection became free before the new one was open: send the request again */
  async request(options: Dispatcher.RequestOptions, signal: AbortSignal | undefined): Promise<Dispatcher.ResponseData> {
    // undici frees a connection a turn after its response ends. Without the wait, the next request would open another.
    await nextTurn();
    const waiting = new AbortController();
    const onStart = () => this.#waiting.delete(waiting);
    this.#waiting.add(waiting);
    const request: Dispatcher.RequestOptions & StartHook = {
      ...options,
      onStart,
      signal: AbortSignal.any([waiting.signal, ...(signal ? [signal] : [])]),
    };
    return await this.#pool.request(request).finally(onStart);
  }

  destroy(): Promise<void> {
    return this.#pool.destroy();
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

class LenientClient extends Client {
  #heads: ResponseHeads | undefined;
  #responses = 0;
  #isAfterHead = false;

  constructor(origin: URL, options: Client.Options, open: () => Promise<Socket>) {
    super(origin, {
      ...options,
      connect: (_, callback) => {
        open().then(
          (socket) => {
            this.#heads = new ResponseHeads(socket);
            this.#responses = 0;
            this.#isAfterHead = false;
            withParserBudget(() => callback(null, socket));
          },
          (error) => callback(error, null),
        );
      },
    });
  }

  override dispatch(options: Dispatcher.DispatchOptions & StartHook, handler: Dispatcher.DispatchHandler): boolean {
    let hasResponse = false;
    return super.dispatch(options, {
      onRequestStart: (controller, context) => {
        options.onStart?.();
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
    const stream = streamed === undefined ? undefined : Readable.from(bytesOf(streamed), READ_AHEAD);
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
      // A server may respond before reading the whole body. Read its response first: ending the body ends the connection.
      response.body.once("close", () => stream?.destroy());
      return decoded(response, request);
    } catch (error) {
      stream?.destroy();
      if (error === FREED) continue;
      const isStale = error instanceof HttpError && error.isFirst === false;
      if (!isStale || !["GET", "HEAD"].includes(method)) throw error;
    }
  }
}

/** Opens the body only when it is read: a request that is sent again for a free connection has read nothing. */
async function* bytesOf(body: StreamedBody): AsyncGenerator<Uint8Array> {
  yield* body.open();
}

function decoded({ statusCode: status, headers, body }: Dispatcher.ResponseData, request: RawRequest): RawResponse {
  const { "content-encoding": coding, "content-length": _length, ...others } = headers;
  const isCoded = typeof coding === "string" && /^(?:x-)?gzip$/i.test(coding);
  if (!isCoded || request.method === "HEAD" || request.headers.range !== undefined) return { status, headers, body };
  return { status, headers: others, body: pipeline(body, createGunzip(), () => undefined) };
}
