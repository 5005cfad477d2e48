import { connect } from "node:tls";
import { unverifiedTls } from "./secure-context.ts";

/** A server that is asked in TLS and does not understand answers at once; one that says nothing is left to the real attempt. */
const PROBE_TIMEOUT_MS = 300;

/** What OpenSSL says when the answer to a TLS greeting is no TLS. */
const NO_TLS = new Set(["EPROTO", "ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG", "ECONNRESET"]);

/**
 * Whether a server certainly does not speak TLS. The greeting trusts nobody and sends nothing, so that it needs no
 * certificates: to load all that a system trusts takes longer than a small export.
 * @param authority `host` or `host:port`
 */
export async function refusesTls(authority: string, signal?: AbortSignal): Promise<boolean> {
  const { hostname, port } = new URL(`https://${authority}`);
  const host = hostname.replace(/^\[|\]$/g, "");
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port: Number(port || 443), ...unverifiedTls() });
  const onAbort = () => resolve(false);
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.setTimeout(PROBE_TIMEOUT_MS, () => resolve(false));
  socket.once("secureConnect", () => resolve(false));
  socket.once("error", (error: NodeJS.ErrnoException) => resolve(NO_TLS.has(error.code ?? "")));
  try {
    return await promise;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}
