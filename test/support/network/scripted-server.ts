import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { ServerCertificate } from "./certificate.ts";

export interface ReceivedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** JSON, or raw text; "silence" never answers. */
export type ScriptedReply =
  | { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly body: unknown }
  | "silence";

export class ScriptedServer implements AsyncDisposable {
  readonly requests: ReceivedRequest[] = [];
  readonly #server: Server;

  private constructor(answer: (request: ReceivedRequest) => ScriptedReply, tls: ServerCertificate | undefined) {
    const listener: RequestListener = async (request, response) => {
      const { method = "", headers, url = "" } = request;
      const received = { method, headers, url: new URL(url, `http://${headers.host}`), body: await text(request) };
      this.requests.push(received);
      const reply = answer(received);
      if (reply === "silence") return;
      const isText = typeof reply.body === "string";
      response.writeHead(reply.status ?? 200, {
        "content-type": isText ? "text/plain" : "application/json",
        ...reply.headers,
      });
      response.end(isText ? reply.body : JSON.stringify(reply.body));
    };
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  }

  static async start(
    answer: (request: ReceivedRequest) => ScriptedReply,
    tls?: ServerCertificate,
  ): Promise<ScriptedServer> {
    const scripted = new ScriptedServer(answer, tls);
    const { promise, resolve } = Promise.withResolvers<void>();
    scripted.#server.listen(0, "127.0.0.1", resolve);
    await promise;
    return scripted;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get origin(): string {
    return `http://${this.host}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await this.#server[Symbol.asyncDispose]();
  }
}
