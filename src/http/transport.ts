import type { Socket } from "node:net";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { Client, type Dispatcher, errors, Pool } from "undici";
import { AnswerHeads, MAX_HEAD_BYTES } from "./answer-heads.ts";
import { HttpError } from "./dial.ts";

/** One chunk before the one in the socket: a blob's chunks are used again soon after. */
const READ_AHEAD = { highWaterMark: 1 };

/** undici wants an origin, and speaks plain HTTP to it: the connections may be secured already. */
const ORIGIN = "http://connection";

/** Longer than any export. */
const FOR_EVER_MS = 24 * 3_600_000;

/** Bytes to send: held in memory, or a stream that can be opened again for another try. */
export type RequestBody = Uint8Array | StreamedBody;

export interface StreamedBody {
  /** Bytes in all; undefined while that is not known, which makes the body chunked. */
  readonly length: number | undefined;
  readonly open: () => AsyncIterable<Uint8Array>;
}

type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface RawAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** To be read to its end, or destroyed; it has no content coding. */
  readonly body: Readable;
}

export interface RawRequest {
  readonly method: string;
  /** Path and query; the whole URL for a proxy. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  /** Until the answer begins, once the body is sent; 0 for no limit. */
  readonly headersTimeoutMs: number;
  /** How long an answer's body may send nothing; 0 for no limit. */
  readonly bodyTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Kept HTTP/1.1 connections that are opened by their owner, one request at a time over each. */
export class Connections {
  readonly #pool: Pool;

  /**
   * @param open a connection to speak HTTP over
   * @param idleMs how long one may be idle; less where the server announces less. Infinite: until the server closes it, whatever
   *   it announces
   */
  constructor(open: () => Promise<Socket>, idleMs: number, connections = Number.POSITIVE_INFINITY) {
    const isKept = idleMs === Number.POSITIVE_INFINITY;
    const keepAliveMs = isKept ? FOR_EVER_MS : idleMs;
    this.#pool = new Pool(ORIGIN, {
      connections: Number.isFinite(connections) ? connections : null,
      allowH2: false,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      // Taken from what the server announces, which then counts for nothing.
      ...(isKept ? { keepAliveTimeoutThreshold: -FOR_EVER_MS } : {}),
      maxHeaderSize: MAX_HEAD_BYTES,
      factory: (origin, options) => new LenientClient(origin, options, open),
    });
  }

  /** A request is under way, or waits for a connection. */
  get isBusy(): boolean {
    const { pending, queued, running } = this.#pool.stats;
    return pending + queued + running > 0;
  }

  request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
    return this.#pool.request(options);
  }

  /** Cuts every connection, also busy ones. */
  destroy(): Promise<void> {
    return this.#pool.destroy();
  }
}

/** One connection, whose answers are rewritten before undici's parser sees them. */
class LenientClient extends Client {
  #heads: AnswerHeads | undefined;
  /** Over this connection. */
  #answers = 0;

  constructor(origin: URL, options: Client.Options, open: () => Promise<Socket>) {
    super(origin, {
      ...options,
      connect: (_, callback) => {
        open().then(
          (socket) => {
            this.#heads = AnswerHeads.of(socket);
            this.#answers = 0;
            callback(null, socket);
          },
          (error) => callback(error, null),
        );
      },
    });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    let isAnswered = false;
    return super.dispatch(options, {
      onRequestStart: (controller, context) => {
        this.#heads?.expect();
        handler.onRequestStart?.(controller, context);
      },
      onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
      onResponseStart: (...args) => {
        isAnswered = true;
        handler.onResponseStart?.(...args);
      },
      onResponseData: (...args) => handler.onResponseData?.(...args),
      onResponseEnd: (...args) => {
        this.#answers += 1;
        this.#heads?.rest();
        handler.onResponseEnd?.(...args);
      },
      onResponseError: (controller, error) => {
        handler.onResponseError?.(controller, httpError(error, options, { isAnswered, isFirst: this.#answers === 0 }));
      },
    });
  }
}

/** undici's errors as those of this program; others unchanged. */
function httpError(
  error: Error,
  { headersTimeout, bodyTimeout }: Dispatcher.DispatchOptions,
  { isAnswered, isFirst }: { readonly isAnswered: boolean; readonly isFirst: boolean },
): Error {
  if (error instanceof errors.HeadersTimeoutError)
    return new HttpError("HTTP_HEADERS_TIMEOUT", "timeout awaiting response headers", {
      silentMs: headersTimeout ?? 0,
    });
  if (error instanceof errors.BodyTimeoutError)
    return new HttpError("HTTP_BODY_TIMEOUT", "timeout awaiting response body", { silentMs: bodyTimeout ?? 0 });
  if (error instanceof errors.HeadersOverflowError) return new HttpError("HPE_HEADER_OVERFLOW", error.message);
  if (error instanceof errors.HTTPParserError)
    return new HttpError(error.code ?? "HPE_INVALID", error.message, {
      data: "data" in error ? String(error.data) : "",
    });
  if (error instanceof errors.ResponseContentLengthMismatchError) return new HttpError("HTTP_EOF", "unexpected EOF");
  if (error instanceof errors.SocketError && error.message === "bad upgrade")
    return new HttpError("HPE_INVALID_UPGRADE", "unexpected switch of protocols");
  if (error instanceof errors.SocketError)
    return new HttpError("HTTP_EOF", isAnswered ? "unexpected EOF" : "EOF", { isFirst });
  return error;
}

/**
 * Sends one HTTP/1.1 request over a kept or new connection, and takes what Go's `net/http` takes as an answer. An answer
 * may come before the whole body was sent, which then ends with the answer's body.
 *
 * A GET or HEAD whose kept connection turns out to be closed is sent again over another one, as Go does: the server
 * closed it while it was idle.
 * @throws the error of the connection, or of the body's source; HttpError
 */
export async function exchangeOver(connections: Connections, request: RawRequest): Promise<RawAnswer> {
  for (;;) {
    try {
      return await exchangeOnce(connections, request);
    } catch (error) {
      const isStale = error instanceof HttpError && error.code === "HTTP_EOF" && error.isFirst === false;
      if (!isStale || request.signal?.aborted || !["GET", "HEAD"].includes(request.method)) throw error;
    }
  }
}

async function exchangeOnce(connections: Connections, request: RawRequest): Promise<RawAnswer> {
  const { method, path, headers, body, headersTimeoutMs, bodyTimeoutMs, signal } = request;
  const streamed = body === undefined || body instanceof Uint8Array ? undefined : body;
  const length = streamed?.length;
  const stream = streamed === undefined ? undefined : Readable.from(streamed.open(), READ_AHEAD);
  // Who destroys the stream hears of the error from the request; without a listener it would end the process.
  stream?.on("error", () => undefined);
  try {
    const answer = await connections.request({
      method,
      path,
      headers: { ...headers, ...(length === undefined ? {} : { "content-length": String(length) }) },
      body: stream ?? (body instanceof Uint8Array ? body : null),
      headersTimeout: headersTimeoutMs,
      bodyTimeout: bodyTimeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    // A server may answer before it has read all. Its answer is read first: to end the body ends the connection.
    answer.body.once("close", () => stream?.destroy());
    return decoded(answer, request);
  } catch (error) {
    stream?.destroy();
    throw error;
  }
}

/** Undoes the one content coding that servers use without being asked to. */
function decoded({ statusCode: status, headers, body }: Dispatcher.ResponseData, request: RawRequest): RawAnswer {
  const { "content-encoding": coding, "content-length": _length, ...others } = headers;
  const isCoded = typeof coding === "string" && /^(?:x-)?gzip$/i.test(coding);
  if (!isCoded || request.method === "HEAD" || request.headers.range !== undefined) return { status, headers, body };
  return { status, headers: others, body: pipeline(body, createGunzip(), () => undefined) };
}
