import type { Readable } from "node:stream";
import { Fault, failTo } from "../errors/fault.ts";
import { decodeFirst, type GoType, struct, text } from "../go/json-decode.ts";
import { readBody, readBriefly } from "../http/body.ts";
import { requestHead } from "../http/routes.ts";
import { type Connections, exchangeOver, type RawResponse } from "../http/transport.ts";
import type { Environment } from "../process/environment.ts";
import { dockerNetworkFault, dockerResponseFault, isRefusal } from "./fault.ts";
import { type DockerHost, readDockerHost } from "./host.ts";
import { DockerSockets } from "./sockets.ts";

/** The newest API version whose requests and responses this client knows; Docker Engine 28. */
const NEWEST_API = "1.51";

/** For a daemon that does not report its version: Engine 25's, which newer ones still support. */
const OLDEST_API = "1.44";

export const versionType = struct({ ApiVersion: text });

/** One for sequential requests, and one to download an image while the other uploads it. */
const CONNECTIONS = 2;

const RESPONSE_TIMEOUT_MS = 300_000;

/** A config in a registry may have 64 MiB. Older daemons return it twice, and JSON escapes some characters. */
const MAX_RESPONSE_BYTES = 256 << 20;

/**
 * Interval of pings over connections that cannot be reopened, as in the reference: daemons and proxies close
 * connections that are idle for some seconds.
 */
const PING_EVERY_MS = 500;

export interface DockerRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: AsyncIterable<Uint8Array>;
}

/** A request with its whole path. */
interface Exchange extends Omit<DockerRequest, "query"> {
  readonly connection: Connections;
  readonly timeoutMs: number;
}

/**
 * Docker's API at the newest version that both sides support (docs/compatibility.md#daemon-connection). Requests are
 * sequential on one connection; only downloads have their own.
 */
export class DockerClient {
  readonly #host: DockerHost;
  readonly #sockets: DockerSockets;
  readonly #requests: Connections;
  readonly #downloads: Connections;
  #version: Promise<string> | undefined;
  readonly #closing = new AbortController();
  #pings: NodeJS.Timeout | undefined;

  private constructor(host: DockerHost, sockets: DockerSockets) {
    this.#host = host;
    this.#sockets = sockets;
    [this.#requests, this.#downloads] = [sockets.connections(0), sockets.connections(1)];
  }

  /**
   * Opens sockets that only root may open; call it before dropping privileges. The first request shows whether the
   * daemon responds.
   * @throws Fault `failed to initialize docker client: ...` if the environment's host is invalid, or if nothing listens
   * at a socket owned by root
   */
  static async connect(environment: Environment): Promise<DockerClient> {
    try {
      const host = readDockerHost(environment);
      return new DockerClient(host, await DockerSockets.open(host, environment, CONNECTIONS));
    } catch (error) {
      throw failTo("initialize docker client", error);
    }
  }

  get name(): string {
    return this.#host.name;
  }

  version(signal: AbortSignal): Promise<string> {
    if (this.#sockets.areOpened) this.#pings ??= setInterval(() => this.#keepOpen(), PING_EVERY_MS).unref();
    this.#version ??= this.#negotiate(signal);
    return this.#version;
  }

  async json<T>(request: DockerRequest, type: GoType<T>, signal: AbortSignal): Promise<T> {
    const response = decodeFirst(await this.text(request, signal), type);
    if (response.ok) return response.value;
    const message = `${request.method} ${request.path}: unexpected response: ${response.problem}`;
    throw new Fault("EXPORT_DAEMON_ANSWER", message, { destination: this.name });
  }

  async text(request: DockerRequest, signal: AbortSignal): Promise<string> {
    const timeoutMs = request.body === undefined ? RESPONSE_TIMEOUT_MS : 0;
    const path = await this.#pathOf(request, signal);
    const exchange = { ...request, path, connection: this.#requests, timeoutMs };
    return await this.#whole(await this.#send(exchange, signal), signal);
  }

  /** The caller must read the response to its end or destroy it. */
  async download(request: DockerRequest, signal: AbortSignal): Promise<Readable> {
    const path = await this.#pathOf(request, signal);
    const { body } = await this.#send({ ...request, path, connection: this.#downloads, timeoutMs: 0 }, signal);
    return body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#pings);
    this.#closing.abort();
    await Promise.all([this.#requests, this.#downloads].map((connection) => connection.destroy()));
    this.#sockets.close();
  }

  async #negotiate(signal: AbortSignal): Promise<string> {
    const { version } = this.#host;
    if (version !== undefined) return version;
    const reported = await this.#reportedVersion(signal);
    return isAtLeast(reported, NEWEST_API) ? NEWEST_API : reported;
  }

  /**
   * A proxy in front of a daemon may allow only builds' requests; then the version comes from /version, if at all.
   */
  async #reportedVersion(signal: AbortSignal): Promise<string> {
    const response = await this.#ping(this.#requests, signal).catch(unlessRefused);
    if (response !== undefined) return versionIn(response.headers["api-version"]) ?? NEWEST_API;
    const asked = await this.#getUnversioned("/version", this.#requests, signal).catch(unlessRefused);
    const version = asked && decodeFirst(await this.#whole(asked, signal), versionType);
    return (version?.ok && versionIn(version.value.ApiVersion)) || OLDEST_API;
  }

  #keepOpen(): void {
    for (const connection of [this.#requests, this.#downloads]) {
      if (connection.isBusy) continue;
      // The next request reports the error.
      this.#ping(connection, this.#closing.signal).catch(() => undefined);
    }
  }

  async #ping(connection: Connections, signal: AbortSignal): Promise<RawResponse> {
    const response = await this.#getUnversioned("/_ping", connection, signal);
    await this.#whole(response, signal);
    return response;
  }

  #getUnversioned(path: string, connection: Connections, signal: AbortSignal): Promise<RawResponse> {
    const exchange = { method: "GET", path: `${this.#host.basePath}${path}`, connection } as const;
    return this.#send({ ...exchange, timeoutMs: RESPONSE_TIMEOUT_MS }, signal);
  }

  async #pathOf({ path, query }: DockerRequest, signal: AbortSignal): Promise<string> {
    const version = await this.version(signal);
    const search = query === undefined ? "" : `?${new URLSearchParams(query)}`;
    return `${this.#host.basePath}/v${version}${path}${search}`;
  }

  async #send({ method, path, body, connection, timeoutMs }: Exchange, signal: AbortSignal): Promise<RawResponse> {
    const { origin, proxy } = this.#host;
    const head = requestHead({ url: new URL(origin), proxy }, path);
    try {
      const response = await exchangeOver(connection, {
        method,
        path: head.path,
        headers: { ...head.headers, ...(body === undefined ? {} : { "content-type": "application/x-tar" }) },
        body: body && { length: undefined, open: () => body },
        headersTimeoutMs: timeoutMs,
        bodyTimeoutMs: timeoutMs,
        signal,
      });
      if (response.status < 300) return response;
      const bytes = await readBriefly(response.body);
      throw dockerResponseFault(response.status, bytes.toString("utf8"), this.name);
    } catch (error) {
      signal.throwIfAborted();
      throw dockerNetworkFault(error, this.#host);
    }
  }

  async #whole({ body }: RawResponse, signal: AbortSignal): Promise<string> {
    const { bytes, end } = await readBody(body, MAX_RESPONSE_BYTES);
    if (end === "complete") return bytes.toString("utf8");
    if (end === "too long")
      throw new Fault("EXPORT_DAEMON_ANSWER", `the docker API's response is longer than ${MAX_RESPONSE_BYTES} bytes`);
    signal.throwIfAborted();
    throw dockerNetworkFault(end.error, this.#host);
  }
}

function versionIn(version: unknown): string | undefined {
  return typeof version === "string" && /^\d+\.\d+$/.test(version) ? version : undefined;
}

export function unlessRefused(error: unknown): undefined {
  if (isRefusal(error)) return undefined;
  throw error;
}

export function isAtLeast(version: string, minimum: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [minimumMajor = 0, minimumMinor = 0] = minimum.split(".").map(Number);
  return major > minimumMajor || (major === minimumMajor && minor >= minimumMinor);
}
