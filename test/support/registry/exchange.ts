import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";

/** A request as the fake's parts see it. */
export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: AsyncIterable<Buffer>;
  /** Resolves when the client's connection is gone. */
  readonly closed: Promise<void>;
}

/** What happens to a connection in the middle of an answer. */
interface Interruption {
  /** Bytes of the answer that are sent, its head included. */
  readonly afterBytes: number;
  readonly then: "reset" | "silence";
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | Readable;
  readonly interruption?: Interruption;
  /** Bytes that are sent at a time, each when the one before is out; default: as many as there are. */
  readonly bytesAtATime?: number;
}

export type Handler = (exchange: Exchange) => Promise<Reply>;

/** Thrown by whoever wants the connection cut instead of an answer. */
export class DropConnection extends Error {}

/** An error body of the distribution specification. */
export function refusal(status: number, code: string, message: string, detail?: unknown): Reply {
  const errors = [{ code, message, ...(detail === undefined ? {} : { detail }) }];
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify({ errors }) };
}
