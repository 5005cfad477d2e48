import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

/** A server below HTTP: the test decides what happens on each connection. */
export class RawServer implements AsyncDisposable {
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(onConnection: (socket: Socket) => void, tls: TlsOptions | undefined) {
    const accept = (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on("error", () => undefined).once("close", () => this.#sockets.delete(socket));
      onConnection(socket);
    };
    this.#server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
    this.#server.on("tlsClientError", () => undefined);
  }

  static async start(
    onConnection: (socket: Socket) => void,
    tls?: TlsOptions,
    host = "127.0.0.1",
    port = 0,
  ): Promise<RawServer> {
    const server = new RawServer(onConnection, tls);
    server.#server.listen(port, host);
    await once(server.#server, "listening");
    return server;
  }

  /** Answers each request without a body with the next of these bytes, and repeats the last. */
  static answering(...answers: readonly (string | Buffer)[]): Promise<RawServer> {
    let next = 0;
    return RawServer.start((socket) => {
      let seen = "";
      socket.on("data", (data) => {
        seen += data.toString("latin1");
        for (let end = seen.indexOf("\r\n\r\n"); end >= 0; end = seen.indexOf("\r\n\r\n")) {
          seen = seen.slice(end + 4);
          socket.write(answers[Math.min(next++, answers.length - 1)] ?? "");
        }
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
