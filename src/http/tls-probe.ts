import { randomBytes } from "node:crypto";
import { connect, isIP } from "node:net";
import { addressOf } from "./address.ts";

const PROBE_TIMEOUT_MS = 300;

/** Record types with which a TLS server answers (RFC 8446 section 5.1). */
const [ALERT, HANDSHAKE] = [0x15, 0x16];

/**
 * True if a server certainly does not speak TLS: it then answers a TLS greeting at once. A silent server is left to the
 * real attempt. Sends no application data. Writes the greeting itself, because loading Node's TLS takes a tenth of a
 * small export.
 * @param authority `host` or `host:port`
 */
export async function refusesTls(authority: string, signal?: AbortSignal): Promise<boolean> {
  const { host, port } = addressOf(new URL(`https://${authority}`));
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port });
  const onAbort = () => resolve(false);
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.setTimeout(PROBE_TIMEOUT_MS, () => resolve(false));
  socket.once("data", ([type]: Buffer) => resolve(type !== ALERT && type !== HANDSHAKE));
  socket.once("end", () => resolve(true));
  socket.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNRESET"));
  socket.write(clientHello(host));
  try {
    return await promise;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    socket.on("error", () => undefined).destroy();
  }
}

const X25519_AND_P256 = [0x00, 0x1d, 0x00, 0x17];
const ECDHE_AND_RSA_CIPHERS = [0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0x009c, 0x002f];
const ECDSA_PSS_AND_RSA = [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601];

/** A ClientHello of TLS 1.2 (RFC 5246 section 7.4.1.2); servers with only TLS 1.3 answer it with an alert. */
function clientHello(host: string): Buffer {
  const name = vector(2, [0, ...vector(2, [...Buffer.from(host)])]);
  const extensions = [
    // SNI takes no addresses (RFC 6066 section 3).
    ...(isIP(host) === 0 ? [0x00, 0x00, ...vector(2, name)] : []),
    ...[0x00, 0x0a, ...vector(2, vector(2, X25519_AND_P256))],
    ...[0x00, 0x0b, ...vector(2, vector(1, [0]))],
    ...[0x00, 0x0d, ...vector(2, vector(2, ECDSA_PSS_AND_RSA.flatMap(uint16)))],
  ];
  const sessionId = vector(1, []);
  const ciphers = vector(2, ECDHE_AND_RSA_CIPHERS.flatMap(uint16));
  const compressions = vector(1, [0]);
  const hello = [0x03, 0x03, ...randomBytes(32), ...sessionId, ...ciphers, ...compressions, ...vector(2, extensions)];
  return Buffer.from([HANDSHAKE, 0x03, 0x01, ...vector(2, [0x01, ...vector(3, hello)])]);
}

const uint16 = (value: number): number[] => [value >> 8, value & 0xff];

function vector(lengthBytes: number, bytes: readonly number[]): number[] {
  const length = Array.from({ length: lengthBytes }, (_, i) => (bytes.length >> (8 * (lengthBytes - 1 - i))) & 0xff);
  return [...length, ...bytes];
}
