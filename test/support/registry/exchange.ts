import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";

export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: AsyncIterable<Buffer>;
  readonly closed: Promise<void>;
}

interface Interruption {
  /** Bytes of the answer that are sent, including its head. */
  readonly afterBytes: number;
  readonly then: "reset" | "silence";
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | Readable;
  readonly interruption?: Interruption;
  /** Bytes per write, each after the previous one is sent; default: all at once. */
  readonly bytesAtATime?: number;
}

export type Handler = (exchange: Exchange) => Promise<Reply>;

export class DropConnection extends Error {}

export function refusal(status: number, code: string, message: string, detail?: unknown): Reply {
  const errors = [{ code, message, ...(detail === undefined ? {} : { detail }) }];
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify({ errors }) };
}
