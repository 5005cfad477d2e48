import type { Socket } from "node:net";
import { goQuote } from "../go/format.ts";
import { HttpError } from "./http-error.ts";

/** Go's limits: `MaxResponseHeaderBytes`, and for lines between chunks `maxLineLength` (net/http/internal). */
export const MAX_HEAD_BYTES = 10 << 20;
const MAX_LINE_BYTES = 4096;

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

const EMPTY = Buffer.alloc(0);

/**
 * Rewrites response heads so that undici's parser accepts everything that Go's `net/http` accepts: bare line feeds,
 * folded values, spaces around a name or value, a Content-Length that is repeated, empty or beside Transfer-Encoding,
 * fields whose name contains spaces, which nothing reads, and any Transfer-Encoding in HTTP/1.0. Ends a connection over
 * which another coding than `chunked` arrives (`parseTransferEncoding` in
 * https://github.com/golang/go/blob/go1.26.8/src/net/http/transfer.go), or a malformed header field: Go rejects both.
 * Unexpected informational responses (1xx) become one that the parser skips. Bodies pass unchanged, except for the
 * lines between chunks: spaces, extensions, bare line feeds and trailers are dropped.
 */
export class ResponseHeads {
  readonly #socket: Socket;
  readonly #push: Socket["push"];
  #state: "idle" | "head" | "chunks" | "body" = "idle";
  readonly #chunks = new ChunkLines();
  #head: Buffer = EMPTY;
  #isTunnel = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#push = socket.push.bind(socket);
    socket.push = (chunk: unknown) => this.#take(chunk);
  }

  /**
   * @param to what the response answers. One to CONNECT opens a tunnel: bytes after its head are the tunnel's, and are
   * not parsed. Those that arrive with it, such as a page, are dropped, as in Go: a TLS server does not speak first
   */
  expect(to: "request" | "connect"): void {
    this.#isTunnel = to === "connect";
    this.#state = "head";
  }

  /** Call after reading a response. Bytes that arrive before the next request are invalid and end the connection. */
  rest(): void {
    this.#state = "idle";
  }

  #take(chunk: unknown): boolean {
    if (!Buffer.isBuffer(chunk)) {
      this.#flush();
      return this.#push(chunk);
    }
    if (this.#state === "body") return this.#push(chunk);
    if (this.#state === "chunks") return this.#pushChunks(chunk);
    if (this.#state === "idle") {
      this.#socket.destroy();
      return false;
    }
    this.#head = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
    return this.#parse();
  }

  #parse(): boolean {
    for (;;) {
      const bytes = this.#head;
      const end = endOfHead(bytes);
      if (end === undefined && bytes.length <= MAX_HEAD_BYTES && isHttp(bytes)) return true;
      if (end === undefined) {
        this.#state = "body";
        return this.#flush();
      }
      const lines = bytes.toString("latin1", 0, end).split(/\r?\n/);
      this.#head = bytes.subarray(end);
      if (!/^HTTP\/1\.[01] 1(?!01)\d\d(?: |$)/.test(lines[0] ?? "")) {
        const head = this.#normalize(lines);
        if (head === undefined) return false;
        if (this.#isTunnel) this.#head = EMPTY;
        this.#chunks.begin();
        this.#state = !this.#isTunnel && /^transfer-encoding: chunked\r$/im.test(head) ? "chunks" : "body";
        const isTaken = this.#push(Buffer.from(head, "latin1"));
        return this.#flush() && isTaken;
      }
      // The parser of a response to CONNECT skips none.
      const isTaken = this.#isTunnel || this.#push(Buffer.from("HTTP/1.1 103 Early Hints\r\n\r\n"));
      if (this.#head.length === 0) return isTaken;
    }
  }

  #normalize(lines: readonly string[]): string | undefined {
    try {
      return normalize(lines);
    } catch (error) {
      this.#head = EMPTY;
      this.#socket.destroy(Error.isError(error) ? error : undefined);
      return undefined;
    }
  }

  #flush(): boolean {
    const rest = this.#head;
    this.#head = EMPTY;
    if (rest.length === 0) return true;
    return this.#state === "chunks" ? this.#pushChunks(rest) : this.#push(rest);
  }

  #pushChunks(bytes: Buffer): boolean {
    const rewritten = this.#chunks.take(bytes);
    return rewritten.length === 0 || this.#push(rewritten);
  }
}

class ChunkLines {
  #left = 0;
  #next: "size" | "end" | "trailer" | "over" = "size";
  #line = "";

  begin(): void {
    [this.#left, this.#next, this.#line] = [0, "size", ""];
  }

  take(bytes: Buffer): Buffer {
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const isLine = this.#left === 0 && this.#next !== "over";
      const newline = isLine ? bytes.indexOf(NEWLINE, at) : -1;
      const end = newline >= 0 ? newline + 1 : isLine || this.#left === 0 ? bytes.length : at + this.#left;
      const part = bytes.subarray(at, end);
      at += part.length;
      if (!isLine) {
        parts.push(part);
        this.#left = Math.max(0, this.#left - part.length);
        continue;
      }
      this.#line += part.toString("latin1");
      if (newline < 0 && this.#line.length <= MAX_LINE_BYTES) break;
      parts.push(Buffer.from(this.#rewrite(this.#line), "latin1"));
      this.#line = "";
    }
    return Buffer.concat(parts);
  }

  #rewrite(line: string): string {
    const text = line.trim();
    if (this.#next === "trailer" && text !== "") return "";
    const [, size] = /^([0-9a-f]{1,15})[ \t]*(?:;.*)?$/i.exec(text) ?? [];
    if (this.#next === "size" && size !== undefined) {
      this.#left = Number.parseInt(size, 16);
      this.#next = this.#left === 0 ? "trailer" : "end";
      return `${size}\r\n`;
    }
    const isEnd = text === "" && this.#next !== "size";
    this.#next = isEnd && this.#next === "end" ? "size" : "over";
    return isEnd ? "\r\n" : line;
  }
}

function isHttp(bytes: Buffer): boolean {
  const start = bytes.toString("latin1", 0, 5);
  return "HTTP/".startsWith(start);
}

function endOfHead(bytes: Buffer): number | undefined {
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) {
    if (bytes[at + 1] === NEWLINE) return at + 2;
    if (bytes[at + 1] === CARRIAGE_RETURN && bytes[at + 2] === NEWLINE) return at + 3;
  }
  return undefined;
}

/** @throws HttpError for a line that is no header field, and for a transfer coding other than `chunked` */
function normalize(lines: readonly string[]): string {
  const [status = "", ...rest] = lines;
  const fields: string[] = [];
  for (const line of rest) {
    if (line === "") continue;
    const [, name, value = ""] = FIELD.exec(line) ?? [];
    if (name !== undefined) fields.push(`${name}: ${value.trim()}`);
    else if (FOLDED.test(line) && fields.length > 0) fields.push(`${fields.pop()} ${line.trim()}`);
    else throw malformed(line);
  }
  const isCoded = !status.startsWith("HTTP/1.0");
  const isChunked = isCoded && areChunked(fields);
  const lengths = new Set<string>();
  const kept = fields.filter((field) => {
    if (SPACED_NAME.test(field) || (!isCoded && TRANSFER_ENCODING.test(field))) return false;
    const [, length] = /^content-length: (.*)$/i.exec(field) ?? [];
    if (length === undefined) return true;
    const isKept = length !== "" && !isChunked && !lengths.has(length);
    lengths.add(length);
    return isKept;
  });
  return `${[status, ...kept].join("\r\n")}\r\n\r\n`;
}

/** As Go's `ReadMIMEHeader` takes them (https://github.com/golang/go/blob/go1.26.8/src/net/textproto/reader.go). */
const FIELD = /^([!#$%&'*+\-.^`|~\w]+(?: +[!#$%&'*+\-.^`|~\w]+)*)[ \t]*:([\t -~\x80-\xff]*)$/;
const FOLDED = /^[ \t][\t -~\x80-\xff]*$/;

const SPACED_NAME = /^[^: ]+ [^:]*: /;
const TRANSFER_ENCODING = /^transfer-encoding: (.*)$/i;

function malformed(line: string): HttpError {
  const shown = goQuote(Buffer.from(line, "latin1").toString());
  return new HttpError("HPE_INVALID_HEADER_TOKEN", `malformed MIME header line: ${shown}`);
}

/** @throws HttpError for other codings than `chunked` */
function areChunked(fields: readonly string[]): boolean {
  const [coding, ...more] = fields.flatMap((field) => TRANSFER_ENCODING.exec(field)?.[1] ?? []);
  if (coding === undefined) return false;
  if (more.length > 0)
    throw new HttpError(
      "HPE_INVALID_TRANSFER_ENCODING",
      `too many transfer encodings: [${[coding, ...more].map(goQuote).join(" ")}]`,
    );
  if (coding.toLowerCase() !== "chunked")
    throw new HttpError("HPE_INVALID_TRANSFER_ENCODING", `unsupported transfer encoding: ${goQuote(coding)}`);
  return true;
}
