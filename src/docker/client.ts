import type { Readable } from "node:stream";
import { Fault, failTo } from "../errors/fault.ts";
import { decodeFirst, type GoType, struct, text } from "../go/json-decode.ts";
import { readBody } from "../http/body.ts";
import { type Connections, exchangeOver, type RawAnswer } from "../http/transport.ts";
import type { Environment } from "../process/environment.ts";
import { dockerAnswerFault, dockerNetworkFault, isRefusal } from "./fault.ts";
import { type DockerHost, readDockerHost } from "./host.ts";
import { DockerSockets } from "./sockets.ts";

/** The newest API whose requests and answers are known here; docker engine 28. */
const NEWEST_API = "1.51";

/** What is spoken to a daemon that does not say its version: engine 25's, which newer ones still understand. */
const OLDEST_API = "1.44";

/** What a daemon answers to `/version`, as far as it is read. */
export const versionType = struct({ ApiVersion: text });

/** One for requests one after the other, and one to read an image from while the other takes what is read. */
const CONNECTIONS = { requests: 0, downloads: 1 } as const;

/** A busy daemon may take its time, but it answers small questions at last. */
const ANSWER_TIMEOUT_MS = 300_000;

/** Longest answer to a small question in bytes; an image of thousands of layers is far below. */
const MAX_ANSWER_BYTES = 16 << 20;

/**
 * Between two pings of connections that cannot be opened again, as the reference has it. Daemons and proxies in front of them hang
 * up on a connection over which nothing was asked for some seconds.
 */
const PING_EVERY_MS = 500;

export interface DockerRequest {
  readonly method: "GET" | "POST";
  /** Below the API's version, e.g. `/images/json`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** A tar, as long as it turns out to be. */
  readonly body?: AsyncIterable<Uint8Array>;
}

/**
 * Docker's API at the newest version that both sides support (docs/compatibility.md#daemon-connection). Requests are
 * sent one after the other over one connection; only a download has its own.
 */
export class DockerClient {
  readonly #host: DockerHost;
  readonly #sockets: DockerSockets;
  readonly #clients = new Map<number, Connections>();
  #version: Promise<string> | undefined;
  readonly #closing = new AbortController();
  #pings: NodeJS.Timeout | undefined;

  private constructor(host: DockerHost, sockets: DockerSockets) {
    this.#host = host;
    this.#sockets = sockets;
  }

  /**
   * Opens what only root may open; to be called before privileges are dropped. Whether the daemon answers is known with the
   * first request.
   * @throws Fault `failed to initialize docker client: ...` when the environment's host makes no sense, or when nobody listens
   * at a socket that is root's
   */
  static async connect(environment: Environment): Promise<DockerClient> {
    try {
      const host = readDockerHost(environment);
      return new DockerClient(host, await DockerSockets.open(host, Object.keys(CONNECTIONS).length));
    } catch (error) {
      throw failTo("initialize docker client", error);
    }
  }

  get name(): string {
    return this.#host.name;
  }

  /** The API version that requests are made with. @throws Fault when the daemon does not answer */
  version(signal: AbortSignal): Promise<string> {
    if (this.#sockets.areOpened) this.#pings ??= setInterval(() => this.#keepOpen(), PING_EVERY_MS).unref();
    this.#version ??= this.#negotiate(signal);
    return this.#version;
  }

  /** A question with a JSON answer. @throws Fault when there is none, or one of another shape */
  async json<T>(request: DockerRequest, type: GoType<T>, signal: AbortSignal): Promise<T> {
    const answer = decodeFirst(await this.text(request, signal), type);
    if (answer.ok) return answer.value;
    const message = `${request.method} ${request.path}: unexpected answer: ${answer.problem}`;
    throw new Fault("EXPORT_DAEMON_ANSWER", message, { destination: this.name });
  }

  /** The whole answer. A request with a body may take as long as it wants. @throws Fault */
  async text(request: DockerRequest, signal: AbortSignal): Promise<string> {
    const timeoutMs = request.body === undefined ? ANSWER_TIMEOUT_MS : 0;
    const path = await this.#pathOf(request, signal);
    return await this.#whole(await this.#send(CONNECTIONS.requests, request, path, timeoutMs, signal), signal);
  }

  /** An answer of any length; to be read to its end, or destroyed. @throws Fault */
  async download(request: DockerRequest, signal: AbortSignal): Promise<Readable> {
    const path = await this.#pathOf(request, signal);
    const { body } = await this.#send(CONNECTIONS.downloads, request, path, 0, signal);
    return body;
  }

  async close(): Promise<void> {
    clearInterval(this.#pings);
    this.#closing.abort();
    await Promise.all([...this.#clients.values()].map((connections) => connections.destroy()));
    this.#sockets.close();
  }

  async #negotiate(signal: AbortSignal): Promise<string> {
    const { version } = this.#host;
    if (version !== undefined) return version;
    const said = await this.#saidVersion(signal);
    return isAtLeast(said, NEWEST_API) ? NEWEST_API : said;
  }

  /** A proxy in front of a daemon may let nothing through but what builds need: then /version tells, or nothing does. */
  async #saidVersion(signal: AbortSignal): Promise<string> {
    const answer = await this.#ping(CONNECTIONS.requests, signal).catch(unlessRefused);
    if (answer !== undefined) return versionIn(answer.headers["api-version"]) ?? NEWEST_API;
    const path = `${this.#host.basePath}/version`;
    const asked = await this.#send(
      CONNECTIONS.requests,
      { method: "GET", path },
      path,
      ANSWER_TIMEOUT_MS,
      signal,
    ).catch(unlessRefused);
    const version = asked && decodeFirst(await this.#whole(asked, signal), versionType);
    return (version?.ok && versionIn(version.value.ApiVersion)) || OLDEST_API;
  }

  #keepOpen(): void {
    for (const connection of Object.values(CONNECTIONS)) {
      if (this.#connectionsOf(connection).isBusy) continue;
      // The next request says what is wrong.
      this.#ping(connection, this.#closing.signal).catch(() => undefined);
    }
  }

  async #ping(connection: number, signal: AbortSignal): Promise<RawAnswer> {
    const path = `${this.#host.basePath}/_ping`;
    const answer = await this.#send(connection, { method: "GET", path }, path, ANSWER_TIMEOUT_MS, signal);
    await this.#whole(answer, signal);
    return answer;
  }

  async #pathOf({ path, query }: DockerRequest, signal: AbortSignal): Promise<string> {
    const version = await this.version(signal);
    const search = query === undefined ? "" : `?${new URLSearchParams(query)}`;
    return `${this.#host.basePath}/v${version}${path}${search}`;
  }

  async #send(
    connection: number,
    { method, body }: DockerRequest,
    path: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<RawAnswer> {
    try {
      const answer = await exchangeOver(this.#connectionsOf(connection), {
        method,
        path,
        headers: {
          host: new URL(this.#host.origin).host,
          "user-agent": "tandem",
          ...(body === undefined ? {} : { "content-type": "application/x-tar" }),
        },
        body: body && { length: undefined, open: () => body },
        headersTimeoutMs: timeoutMs,
        bodyTimeoutMs: timeoutMs,
        signal,
      });
      if (answer.status < 400) return answer;
      throw dockerAnswerFault(answer.status, await this.#whole(answer, signal), this.name);
    } catch (error) {
      signal.throwIfAborted();
      throw dockerNetworkFault(error, this.#host);
    }
  }

  async #whole({ body }: RawAnswer, signal: AbortSignal): Promise<string> {
    const { bytes, end } = await readBody(body, MAX_ANSWER_BYTES);
    if (end === "complete") return bytes.toString("utf8");
    if (end === "too long")
      throw new Fault("EXPORT_DAEMON_ANSWER", `the docker API's answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    signal.throwIfAborted();
    throw dockerNetworkFault(end.error, this.#host);
  }

  #connectionsOf(connection: number): Connections {
    const connections = this.#clients.get(connection) ?? this.#sockets.connections(connection);
    this.#clients.set(connection, connections);
    return connections;
  }
}

function versionIn(said: unknown): string | undefined {
  return typeof said === "string" && /^\d+\.\d+$/.test(said) ? said : undefined;
}

/** Undefined for an answer that refuses the request. @throws any other error */
export function unlessRefused(error: unknown): undefined {
  if (isRefusal(error)) return undefined;
  throw error;
}

/** True when a version of the API is another one or newer; both `<major>.<minor>`. */
export function isAtLeast(version: string, wanted: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
