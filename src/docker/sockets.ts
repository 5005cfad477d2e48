import { once } from "node:events";
import { statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { buildConnector, Client } from "undici";
import { Fault, messageOf } from "../errors/fault.ts";
import { goErrnoText, isSystemError } from "../go/errno.ts";
import { tlsSettings } from "../http/tls.ts";
import type { DockerHost } from "./host.ts";

/** As undici has it for everything that is dialled. */
const CONNECT_TIMEOUT_MS = 10_000;

/** A connection that cannot be opened again is not closed for having been idle while layers were made. */
const KEEP_ALIVE_MS = 24 * 3_600_000;

/**
 * Connections to a daemon. Those to a socket that only root may open are opened at once, so that the export can go on with
 * them as another user; whatever breaks is opened again if that is still allowed.
 */
export class DockerSockets {
  readonly #host: DockerHost;
  readonly #opened: readonly Socket[];

  private constructor(host: DockerHost, opened: readonly Socket[]) {
    this.#host = host;
    this.#opened = opened;
  }

  /**
   * @param connections how many will be used
   * @throws Fault when the daemon's socket is root's and nobody listens
   */
  static async open(host: DockerHost, connections: number): Promise<DockerSockets> {
    if (host.socketPath === undefined || !isOwnedByRoot(host.socketPath)) return new DockerSockets(host, []);
    const opened: Socket[] = [];
    try {
      for (let i = 0; i < connections; i++) opened.push(await openSocket(host.socketPath));
      return new DockerSockets(host, opened);
    } catch (error) {
      for (const socket of opened) socket.destroy();
      const reason = isSystemError(error) ? `connect: ${goErrnoText(error)}` : messageOf(error);
      throw new Fault(
        "EXPORT_DAEMON_UNREACHABLE",
        `failed to connect to docker socket: dial unix ${host.socketPath}: ${reason}`,
        { destination: host.name, cause: error },
      );
    }
  }

  /** True when the connections were opened beforehand. */
  get areOpened(): boolean {
    return this.#opened.length > 0;
  }

  /** HTTP over one connection, one request at a time. @param connection its number, from 0 */
  client(connection: number): Client {
    const { socketPath, tls, origin } = this.#host;
    const dial = buildConnector({
      timeout: CONNECT_TIMEOUT_MS,
      ...(socketPath === undefined ? {} : { socketPath }),
      ...(tls === undefined ? {} : tlsSettings(tls, tls.rejectUnauthorized)),
    });
    let opened = this.#opened[connection];
    const take: buildConnector.connector = (options, callback) => {
      const socket = opened;
      opened = undefined;
      if (socket === undefined || socket.destroyed) dial(options, callback);
      // undici takes no notice of a connection that is there before it has asked for it.
      else setImmediate(() => callback(null, socket));
    };
    return new Client(origin, {
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      // What the daemon says of how long it waits counts for nothing: undici would hang up before.
      keepAliveTimeoutThreshold: -KEEP_ALIVE_MS,
      connect: take,
    });
  }

  /** Cuts what was opened, also what nobody used. */
  close(): void {
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
  const socket = connect(path);
  await once(socket, "connect");
  // Until it is used, whoever uses it has no listener for its failure yet.
  socket.on("error", () => undefined);
  return socket;
}
