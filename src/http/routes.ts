import type { Socket } from "node:net";
import { addressOf } from "./address.ts";
import { dial, secure } from "./dial.ts";
import { type RootVariables, type TlsSettings, tlsSettings, trustedAuthorities, unverifiedTls } from "./tls.ts";
import { Connections, type RawRequest } from "./transport.ts";
import { commonHeaders, connectThrough, connectThroughSocks, throughProxy } from "./tunnel.ts";

/** Load balancers in front of registries keep idle connections for 60 s or more; half of that is safe. */
const KEEP_ALIVE_MS = 30_000;

/**
 * Without TLS and proxy a new connection costs one round trip, while an idle one takes the place of another behind a
 * front end that accepts few (docs/decisions/0008-pino-piscina-undici.md).
 */
const PLAIN_KEEP_ALIVE_MS = 250;

/**
 * The way to a host. Only the origin of `url` matters; `isInsecure` skips the verification of certificates. A
 * connection must open within `connectMs`, with its tunnel and its TLS handshakes.
 */
export interface Route {
  readonly url: URL;
  readonly isInsecure: boolean;
  readonly proxy: URL | undefined;
  readonly connectMs: number;
}

/**
 * The proxy, if it receives whole requests instead of opening a tunnel: its connections carry those to every http host.
 */
function forwardingProxy({ url, proxy }: Pick<Route, "url" | "proxy">): URL | undefined {
  return url.protocol === "http:" && /^https?:$/.test(proxy?.protocol ?? "") ? proxy : undefined;
}

/** Path and headers of a request to the host of `url`: a forwarding proxy gets the whole URL, and its own login. */
export function requestHead(route: Pick<Route, "url" | "proxy">, path: string): Pick<RawRequest, "path" | "headers"> {
  const { origin, host } = route.url;
  const forwarder = forwardingProxy(route);
  return { path: forwarder === undefined ? path : `${origin}${path}`, headers: commonHeaders(host, forwarder) };
}

/**
 * Opens a connection to the host of a URL, with TLS if it is an https URL.
 * @param tls for that host and for a proxy with TLS, as in Go
 * @throws ProxyRefusal, ProxyFailure; errors of the connection
 */
export async function openRoute(
  { url, proxy, connectMs }: Pick<Route, "url" | "proxy" | "connectMs">,
  tls: () => TlsSettings,
  signal: AbortSignal,
): Promise<Socket> {
  const endMs = performance.now() + connectMs;
  const left = () => ({ timeoutMs: Math.max(1, endMs - performance.now()), signal });
  const target = addressOf(url);
  const open = async (): Promise<Socket> => {
    if (proxy === undefined) return await dial(target.host, target.port, left());
    const hop = addressOf(proxy);
    const openHop = () => dial(hop.host, hop.port, left());
    const socket = await throughProxy(proxy, "connect", () =>
      proxy.protocol === "https:" ? secure(openHop, hop, tls(), left) : openHop(),
    );
    const isSocks = /^socks5h?:$/.test(proxy.protocol);
    if (url.protocol === "http:" && !isSocks) return socket;
    return await throughProxy(proxy, isSocks ? "socks" : "tunnel", () =>
      isSocks
        ? connectThroughSocks(socket, proxy, target, left())
        : connectThrough(socket, proxy, `${url.hostname}:${target.port}`, left()),
    );
  };
  return url.protocol === "https:" ? await secure(open, target, tls(), left) : await open();
}

export class Routes {
  readonly #environment: RootVariables;
  readonly #perRoute: number | undefined;
  readonly #connections = new Map<string, Connections>();
  readonly #closed = new AbortController();
  #verified: TlsSettings | undefined;

  constructor(environment: RootVariables, perRoute?: number) {
    this.#environment = environment;
    this.#perRoute = perRoute;
  }

  connectionsOf(route: Route): Connections {
    const { url, isInsecure, proxy } = route;
    const key = `${isInsecure} ${forwardingProxy(route) === undefined ? url.origin : ""} ${proxy?.href ?? ""}`;
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const isPlain = url.protocol === "http:" && proxy === undefined;
    const idleMs = isPlain ? PLAIN_KEEP_ALIVE_MS : KEEP_ALIVE_MS;
    const connections = new Connections(() => this.#open(route), idleMs, this.#perRoute);
    this.#connections.set(key, connections);
    return connections;
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error("the client was closed"));
    await Promise.all([...this.#connections.values()].map((connections) => connections.destroy()));
  }

  async #open(route: Route): Promise<Socket> {
    const tls = route.isInsecure ? unverifiedTls : () => this.#verifiedTls();
    return await openRoute(route, tls, this.#closed.signal);
  }

  /** Loads certificates once, at the first TLS connection: loading takes longer than a handshake. */
  #verifiedTls(): TlsSettings {
    this.#verified ??= tlsSettings(
      { ca: trustedAuthorities(this.#environment), rejectUnauthorized: true },
      this.#environment,
    );
    return this.#verified;
  }
}
