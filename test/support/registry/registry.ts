import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerCertificate } from "../network/certificate.ts";
import { Auth, type AuthOptions } from "./auth.ts";
import { handleBlob } from "./blob-handler.ts";
import { BlobStore } from "./blob-store.ts";
import { DropConnection, type Exchange, type Handler, type Reply, refusal } from "./exchange.ts";
import { Faults } from "./faults.ts";
import { ManifestStore } from "./manifest-handler.ts";
import { send } from "./send.ts";

export interface RequestRecord {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: IncomingMessage["headers"];
}

export interface FakeOptions {
  readonly auth?: AuthOptions;
  readonly tls?: ServerCertificate;
}

/**
 * A registry that obeys the distribution specification, for tests and for machines without docker-registry. Blobs are
 * in files of a temporary directory, never in memory; everything else is lost when it stops.
 */
export class FakeRegistry implements AsyncDisposable {
  readonly requests: RequestRecord[] = [];
  readonly faults = new Faults();
  readonly blobs: BlobStore;
  readonly manifests: ManifestStore;
  readonly auth: Auth | undefined;
  readonly storage: string;
  readonly #server: Server;
  readonly #handler: Handler;
  readonly #closed = new WeakMap<Socket, Promise<void>>();

  connections = 0;

  private constructor(directory: string, auth: AuthOptions | undefined, tls: ServerCertificate | undefined) {
    this.storage = directory;
    this.blobs = new BlobStore(directory);
    this.manifests = new ManifestStore(this.blobs);
    this.auth = auth === undefined ? undefined : new Auth(auth);
    const route: Handler = (exchange) => this.#route(exchange);
    this.#handler = this.faults.wrap(this.auth?.guard(route) ?? route);
    const answer = (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response, scheme);
    const scheme = tls === undefined ? "http" : "https";
    this.#server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
    // A client that is slow to read has a whole answer in its buffers for longer than Node's five seconds.
    this.#server.keepAliveTimeout = 60_000;
    this.#server.on("connection", () => {
      this.connections += 1;
    });
  }

  static async start(options: FakeOptions = {}): Promise<FakeRegistry> {
    const registry = new FakeRegistry(await mkdtemp(join(tmpdir(), "fake-registry-")), options.auth, options.tls);
    const { promise, resolve } = Promise.withResolvers<void>();
    registry.#server.listen(0, "127.0.0.1", resolve);
    await promise;
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  count(method: string, target: RegExp): number {
    return this.requests.filter((request) => request.method === method && target.test(request.target)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await this.#server[Symbol.asyncDispose]();
    await this.blobs.close();
    await rm(this.storage, { recursive: true });
  }

  async #answer(request: IncomingMessage, response: ServerResponse, scheme: string): Promise<void> {
    // Ending a body early destroys its socket, so the socket is kept here.
    const { method = "", headers, url: target = "", socket } = request;
    this.requests.push({ method, target, headers });
    try {
      const url = new URL(target, `${scheme}://${headers.host}`);
      const reply = await this.#handler({ method, url, headers, body: request, closed: this.#closedOf(socket) });
      if (await send(reply, response)) return;
      // An unread body blocks the next request, and closing the connection now could destroy the answer.
      request.resume();
    } catch (error) {
      if (!(error instanceof DropConnection) && !isCut(error)) console.error(error);
      socket.resetAndDestroy();
    }
  }

  #closedOf(socket: Socket): Promise<void> {
    const known = this.#closed.get(socket);
    if (known !== undefined) return known;
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.once("close", () => resolve());
    this.#closed.set(socket, promise);
    return promise;
  }

  async #route(exchange: Exchange): Promise<Reply> {
    const { pathname } = exchange.url;
    if (pathname === "/v2/") return { status: 200, body: "{}" };
    if (pathname === "/v2/_catalog") return json({ repositories: [...this.manifests.repositories.keys()] });
    const [, listed] = /^\/v2\/(.+)\/tags\/list$/.exec(pathname) ?? [];
    if (listed !== undefined) return json({ name: listed, tags: this.manifests.repositories.get(listed) ?? null });
    const [, repository = "", kind, rest = ""] = /^\/v2\/(.+?)\/(blobs|manifests)\/(.*)$/.exec(pathname) ?? [];
    if (kind === "blobs") return handleBlob(this.blobs, repository, rest, exchange);
    if (kind === "manifests") return this.manifests.handle(repository, rest, exchange);
    return refusal(404, "NAME_UNKNOWN", "repository name not known to registry");
  }
}

function json(value: unknown): Reply {
  return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

/** The client disconnected during its request. */
function isCut(error: unknown): boolean {
  return error instanceof Error && "code" in error && /ECONNRESET|ERR_STREAM|ABORT/.test(String(error.code));
}
