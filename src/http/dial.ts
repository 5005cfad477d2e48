import type { X509Certificate } from "node:crypto";
import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { type IpcSocketConnectOpts, isIP, connect as open, type Socket, type TcpSocketConnectOpts } from "node:net";
import { type ConnectionOptions, connect as startTls, type TLSSocket } from "node:tls";
import { messageOf } from "../errors/fault.ts";
import { isSystemError } from "../go/errno.ts";
import type { Address } from "./address.ts";
import { lookupInHostsFile, withoutFinalDot } from "./hosts-file.ts";
import { HttpError, isConnectTimeout } from "./http-error.ts";
import { hostMismatch } from "./server-identity.ts";
import type { TlsSettings } from "./tls.ts";
import { certificateFailure, chainOf, issuerOf } from "./tls-failures.ts";

/**
 * As in Go's net/dial.go: the delay before the other address family is tried in parallel (RFC 6555, `FallbackDelay`),
 * and the minimum share of the timeout for one of several addresses (`partialDeadline`).
 */
const FALLBACK_MS = 300;
const MIN_ADDRESS_MS = 2000;

const KEEP_ALIVE_MS = 30_000;

export interface DialOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Default: the system's. */
  readonly hostsFile?: string;
}

export async function dial(host: string, port: number, { timeoutMs, signal, hostsFile }: DialOptions): Promise<Socket> {
  if (isIP(host) !== 0) return dialAny([{ address: host, family: isIP(host) }], port, { timeoutMs, signal });
  const endMs = performance.now() + timeoutMs;
  const known = host.endsWith(".") ? await lookupInHostsFile(host, hostsFile) : [];
  const addresses = known.length > 0 ? known : await lookup(host, { all: true });
  return dialAny(addresses, port, { timeoutMs: Math.max(1, endMs - performance.now()), signal });
}

/**
 * Connects to one of a host's addresses as Go's dialer does: addresses of one family in turn, the two families in
 * parallel, so that an unreachable family or a slow route does not block the other.
 * @throws the error of the first address of the first family; HttpError after `timeoutMs`; the signal's reason
 */
export async function dialAny(
  addresses: readonly LookupAddress[],
  port: number,
  { timeoutMs, signal }: DialOptions,
): Promise<Socket> {
  const endMs = performance.now() + timeoutMs;
  signal.throwIfAborted();
  const [first = [], second = []] = Object.values(
    Object.groupBy(addresses, ({ family }) => (family === addresses[0]?.family ? "first" : "second")),
  ).map((group) => group.map(({ address }) => address));
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  const primary = dialInOrder(first, port, endMs, stop);
  if (second.length === 0) return primary.finally(() => done.abort());
  const delay = Promise.withResolvers<void>();
  const timer = setTimeout(delay.resolve, FALLBACK_MS);
  primary.catch(() => delay.resolve());
  const fallback = delay.promise.then(() => dialInOrder(second, port, endMs, stop));
  try {
    return await Promise.any([primary, fallback]);
  } catch {
    signal.throwIfAborted();
    return await primary;
  } finally {
    clearTimeout(timer);
    done.abort();
    // Both may have connected at the same moment.
    void Promise.allSettled([primary, fallback]).then(([one, other]) => {
      if (one.status === "fulfilled" && other.status === "fulfilled") other.value.destroy();
    });
    delay.resolve();
  }
}

async function dialInOrder(
  addresses: readonly string[],
  port: number,
  endMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  let failure: unknown;
  for (const [i, address] of addresses.entries()) {
    signal.throwIfAborted();
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) break;
    const shareMs = Math.min(leftMs, Math.max(MIN_ADDRESS_MS, leftMs / (addresses.length - i)));
    try {
      return await dialAddress(address, port, { timeoutMs: shareMs, signal });
    } catch (error) {
      failure ??= error;
    }
  }
  signal.throwIfAborted();
  throw failure ?? new HttpError("HTTP_CONNECT_TIMEOUT", "i/o timeout", { syscall: "connect" });
}

function dialAddress(address: string, port: number, options: DialOptions): Promise<Socket> {
  const target: TcpSocketConnectOpts & { highWaterMark: number } = {
    host: address,
    port,
    autoSelectFamily: false,
    highWaterMark: 64 << 10,
  };
  const socket = open(target).setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  const timeout = new HttpError("HTTP_CONNECT_TIMEOUT", "i/o timeout", { syscall: "connect", address, port });
  return connected(socket, "connect", timeout, options);
}

export function dialUnix(path: string, options: DialOptions): Promise<Socket> {
  const target: IpcSocketConnectOpts & { highWaterMark: number } = { path, highWaterMark: 64 << 10 };
  const timeout = new HttpError("HTTP_CONNECT_TIMEOUT", "i/o timeout", { syscall: "connect", address: path });
  return connected(open(target), "connect", timeout, options);
}

/**
 * Opens a connection and secures it. Offers the session of an earlier connection; if the handshake then fails, connects
 * again without one, because Go's clients never offer any, so a server may never have been tested with one.
 * @param left options for the rest of the time
 */
export async function secure(
  open: () => Promise<Socket>,
  address: Address,
  settings: TlsSettings,
  left: () => DialOptions,
): Promise<TLSSocket> {
  const session = settings.sessions.get(serverOf(address));
  const socket = await open();
  try {
    return await shakeHands(socket, address, settings, left(), session);
  } catch (error) {
    settings.sessions.delete(serverOf(address));
    if (session === undefined || isConnectTimeout(error) || left().signal.aborted) throw error;
  }
  return await shakeHands(await open(), address, settings, left());
}

function serverOf({ host, port }: Address): string {
  return `${withoutFinalDot(host)}:${port}`;
}

function shakeHands(
  socket: Socket,
  address: Address,
  { secureContext, rejectUnauthorized, sessions, unreadRoots }: TlsSettings,
  options: DialOptions,
  session?: Buffer,
): Promise<TLSSocket> {
  const name = withoutFinalDot(address.host);
  const tlsOptions: ConnectionOptions & { highWaterMark: number } = {
    socket,
    host: name,
    // SNI takes no addresses (RFC 6066 section 3).
    servername: isIP(name) === 0 ? name : "",
    ALPNProtocols: ["http/1.1"],
    highWaterMark: 16 << 10,
    ...(session && { session }),
    secureContext,
    rejectUnauthorized,
    checkServerIdentity: (_, certificate) => {
      const mismatch = hostMismatch(name, certificate);
      return mismatch === undefined
        ? undefined
        : new HttpError("ERR_TLS_CERT_ALTNAME_INVALID", `tls: failed to verify certificate: ${mismatch}`, {
            hasBadCertificate: true,
          });
    },
  };
  const tls = startTls(tlsOptions);
  // Node.js reports an alert after the handshake without closing the connection, and its end would hide the alert.
  tls.on("error", () => tls.destroy());
  let certificate: X509Certificate | undefined;
  // Node.js verifies the chain in its own listener, and no longer has it after an error.
  tls.prependOnceListener("secure", () => (certificate = tls.getPeerX509Certificate()));
  tls.on("session", (latest) => sessions.set(serverOf(address), latest));
  const timeout = new HttpError("HTTP_CONNECT_TIMEOUT", "net/http: TLS handshake timeout");
  return connected(tls, "secureConnect", timeout, options).catch((error: unknown) => {
    socket.destroy();
    // Node.js sets it for every failed verification; most have no code of their own.
    const hasBadCertificate = rejectUnauthorized && Boolean(tls.authorizationError);
    if (!hasBadCertificate) throw handshakeHangUp(error) ?? error;
    if (error instanceof HttpError) throw error;
    const code = String(tls.authorizationError);
    const chain = chainOf(certificate);
    const details = { hasBadCertificate, unreadRoots: unreadRoots(), ...issuerOf(chain) };
    throw new HttpError(code, certificateFailure(code, messageOf(error), chain), details);
  });
}

/** @returns undefined unless the server ended the connection during the handshake */
function handshakeHangUp(error: unknown): HttpError | undefined {
  if (error instanceof HttpError && error.code === "HTTP_EOF")
    return new HttpError(error.code, error.message, { isInHandshake: true });
  if (!Error.isError(error) || !("code" in error)) return undefined;
  if (isSystemError(error, "ECONNRESET", "EPIPE"))
    return new HttpError(error.code, error.message, { isInHandshake: true });
  // Node.js reports an orderly end as a reset, but not as a system error.
  return error.code === "ECONNRESET" ? new HttpError("HTTP_EOF", "EOF", { isInHandshake: true }) : undefined;
}

async function connected<S extends Socket>(
  socket: S,
  event: "connect" | "secureConnect",
  timeout: Error,
  options: DialOptions,
): Promise<S> {
  const closed = new HttpError("HTTP_EOF", "EOF");
  await opening(socket, timeout, options, async () => {
    const waiting = new AbortController();
    try {
      await Promise.race([
        once(socket, event, { signal: waiting.signal }),
        once(socket, "close", { signal: waiting.signal }).then(() => Promise.reject(closed)),
      ]);
    } finally {
      waiting.abort();
    }
  });
  return socket;
}

/**
 * Runs a step of opening a connection. One that fails, is aborted or takes too long destroys the socket.
 * @throws what the step throws, `timeout`, or the signal's reason
 */
export async function opening<T>(
  socket: Socket,
  timeout: Error,
  { timeoutMs, signal }: DialOptions,
  step: () => Promise<T>,
): Promise<T> {
  const onAbort = () => socket.destroy(signal.reason);
  const timer = setTimeout(() => socket.destroy(timeout), timeoutMs);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await step();
  } catch (error) {
    // The socket may emit further errors, which have no listener.
    socket.on("error", () => undefined).destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
