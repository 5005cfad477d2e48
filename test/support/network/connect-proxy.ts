import { createServer, request as forward, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

export interface ProxyOptions {
  /** Required `user:password`; absent: none. */
  readonly login?: string;
  /** Actual addresses by `host:port`; other hosts are connected to by name. */
  readonly routes?: Readonly<Record<string, string>>;
  /** Sent with the head of a response to CONNECT. */
  readonly page?: string;
}

export class ConnectProxy implements AsyncDisposable {
  /** `CONNECT <host>:<port>` or `<method> <url>` of each accepted request. */
  readonly passed: string[] = [];
  refused = 0;
  readonly #options: ProxyOptions;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(options: ProxyOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      if (!this.#lets(request)) return response.writeHead(407, { "proxy-authenticate": "Basic" }).end("login please");
      this.passed.push(`${request.method} ${request.url}`);
      const url = new URL(request.url ?? "");
      const [host, port] = this.#place(`${url.hostname}:${url.port || 80}`);
      const { "proxy-authorization": _login, ...headers } = request.headers;
      const { method } = request;
      const onward = forward({ host, port, method, path: url.pathname + url.search, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.destroy());
      return request.pipe(onward);
    });
    this.#server.on("connect", (request: IncomingMessage, client: Socket, head: Buffer) => {
      client.on("error", () => client.destroy());
      if (!this.#lets(request))
        return client.end("HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n");
      this.passed.push(`CONNECT ${request.url}`);
      const [host, port] = this.#place(request.url ?? "");
      const server = connect({ host, port }, () => {
        client.write(`HTTP/1.1 200 Connection established\r\n\r\n${this.#options.page ?? ""}`);
        server.write(head);
        server.pipe(client);
        client.pipe(server);
      });
      for (const socket of [client, server]) this.#sockets.add(socket);
      client.on("close", () => server.destroy());
      return server.on("error", () => client.destroy()).on("close", () => client.destroy());
    });
  }

  static async start(options: ProxyOptions = {}): Promise<ConnectProxy> {
    const proxy = new ConnectProxy(options);
    const { promise, resolve } = Promise.withResolvers<void>();
    proxy.#server.listen(0, "127.0.0.1", resolve);
    await promise;
    return proxy;
  }

  get url(): string {
    const login = this.#options.login === undefined ? "" : `${this.#options.login}@`;
    return `http://${login}${this.host}`;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    await this.#server[Symbol.asyncDispose]();
  }

  #lets({ headers }: IncomingMessage): boolean {
    const { login } = this.#options;
    const isLet =
      login === undefined || headers["proxy-authorization"] === `Basic ${Buffer.from(login).toString("base64")}`;
    if (!isLet) this.refused += 1;
    return isLet;
  }

  #place(authority: string): readonly [host: string, port: number] {
    const [host = "", port = "443"] = (this.#options.routes?.[authority] ?? authority).split(":");
    return [host, Number(port)];
  }
}
