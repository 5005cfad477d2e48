import { statSync } from "node:fs";
import type { Socket } from "node:net";
import { Fault, messageOf } from "../errors/fault.ts";
import { goErrnoText, isSystemError } from "../go/errno.ts";
import { dialUnix } from "../http/dial.ts";
import { openRoute } from "../http/routes.ts";
import { type TlsSettings, tlsSettings, trustedAuthorities } from "../http/tls.ts";
import { Connections } from "../http/transport.ts";
import type { Environment } from "../process/environment.ts";
import { isForbidden } from "./fault.ts";
import type { DockerHost } from "./host.ts";

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Connections to a daemon. Those to a socket that only root may open are opened at once, so that the export can use
 * them after switching users; a broken connection is reopened if that is still permitted.
 */
export class DockerSockets {
  readonly #host: DockerHost;
  readonly #environment: Environment;
  readonly #opened: readonly Socket[];
  readonly #closed = new AbortController();
  #tls: TlsSettings | undefined;

  private constructor(host: DockerHost, environment: Environment, opened: readonly Socket[]) {
    this.#host = host;
    this.#environment = environment;
    this.#opened = opened;
  }

  static async open(host: DockerHost, environment: Environment, connections: number): Promise<DockerSockets> {
    if (host.socketPath === undefined || !isOwnedByRoot(host.socketPath))
      return new DockerSockets(host, environment, []);
    const opened: Socket[] = [];
    try {
      for (let i = 0; i < connections; i++) opened.push(await openSocket(host.socketPath));
      return new DockerSockets(host, environment, opened);
    } catch (error) {
      for (const socket of opened) socket.destroy();
      const reason = isSystemError(error) ? `connect: ${goErrnoText(error)}` : messageOf(error);
      const code = isForbidden(error) ? "EXPORT_DAEMON_DENIED" : "EXPORT_DAEMON_UNREACHABLE";
      throw new Fault(code, `failed to connect to docker socket: dial unix ${host.socketPath}: ${reason}`, {
        destination: host.name,
        cause: error,
      });
    }
  }

  get areOpened(): boolean {
    return this.#opened.length > 0;
  }

  connections(connection: number): Connections {
    let opened = this.#opened[connection];
    const open = async () => {
      const socket = opened;
      opened = undefined;
      return socket === undefined || socket.destroyed ? await this.#dial() : socket;
    };
    return new Connections(open, Number.POSITIVE_INFINITY, 1);
  }

  async #dial(): Promise<Socket> {
    const { socketPath, origin, proxy } = this.#host;
    const { signal } = this.#closed;
    if (socketPath !== undefined) return await dialUnix(socketPath, { timeoutMs: CONNECT_TIMEOUT_MS, signal });
    const route = { url: new URL(origin), proxy, connectMs: CONNECT_TIMEOUT_MS };
    return await openRoute(route, () => this.#secured(), signal);
  }

  /** An https proxy in front of a daemon without TLS is verified like any server. */
  #secured(): TlsSettings {
    if (this.#tls === undefined) {
      const tls = this.#host.tls ?? { ca: trustedAuthorities(this.#environment), rejectUnauthorized: true };
      this.#tls = tlsSettings(tls);
    }
    return this.#tls;
  }

  close(): void {
    this.#closed.abort(new Error("the client was closed"));
    for (const socket of this.#opened) socket.destroy();
  }
}

function isOwnedByRoot(path: string): boolean {
  try {
    return statSync(path).uid === 0;
  } catch {
    return false;
  }
}

async function openSocket(path: string): Promise<Socket> {
  const socket = await dialUnix(path, { timeoutMs: CONNECT_TIMEOUT_MS, signal: new AbortController().signal });
  // No request listens for errors of this connection until it is used.
  return socket.on("error", () => undefined);
}
