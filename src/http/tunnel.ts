import { once } from "node:events";
import { request } from "node:http";
import { isIP, type Socket } from "node:net";
import { messageOf } from "../errors/fault.ts";
import { registerSecret, withoutSecrets } from "../errors/secrets.ts";
import type { Address } from "./address.ts";
import { parseChallenges } from "./challenge.ts";
import { type DialOptions, opening } from "./dial.ts";
import { HttpError } from "./http-error.ts";
import { MAX_HEAD_BYTES, ResponseHeads } from "./response-heads.ts";

/**
 * A proxy's refusal to connect, in Go's words: the status text of the response to CONNECT, or the reason of a SOCKS
 * proxy, which has no status. `proxy` is its host and port.
 */
export class ProxyRefusal extends Error {
  readonly code = "HTTP_PROXY_REFUSED";
  readonly proxy: string;
  readonly status: number | undefined;
  readonly isTemporary: boolean;
  readonly login: ProxyLogin | undefined;

  constructor(proxy: string, text: string, { status, isTemporary, login }: RefusalDetails) {
    super(withoutSecrets(text));
    this.proxy = proxy;
    this.status = status;
    this.isTemporary = isTemporary;
    this.login = login;
  }
}

export type RefusalDetails = Pick<ProxyRefusal, "status" | "isTemporary" | "login">;

/** A proxy requires a login, or rejects the given one. */
export interface ProxyLogin {
  readonly isGiven: boolean;
  /** HTTP's authentication schemes that the proxy offers; none for SOCKS. */
  readonly schemes: readonly string[];
}

type ProxyStep = "connect" | "tunnel" | "socks";

/**
 * Wraps an error on the way through a proxy: of the connection to the proxy itself, or of the request to open a tunnel,
 * by HTTP or SOCKS. `proxy` is its host and port.
 */
export class ProxyFailure extends Error {
  readonly proxy: string;
  readonly step: ProxyStep;

  constructor(proxy: string, step: ProxyStep, cause: unknown) {
    super(`proxy ${proxy}: ${messageOf(cause)}`, { cause });
    this.proxy = proxy;
    this.step = step;
  }
}

/** @throws ProxyRefusal, or a ProxyFailure of any other error */
export async function throughProxy<T>({ host }: URL, step: ProxyStep, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw error instanceof ProxyRefusal ? error : new ProxyFailure(host, step, error);
  }
}

function isTemporaryStatus(status: number): boolean {
  return status >= 500 || status === 408 || status === 429;
}

function hasLogin({ username, password }: URL): boolean {
  return username !== "" || password !== "";
}

/** The Authorization header for the user and password in a URL. */
export function authorizationIn(url: URL): string | undefined {
  if (!hasLogin(url)) return undefined;
  const login = Buffer.concat([decode(url.username), Buffer.from(":"), decode(url.password)]);
  return `Basic ${login.toString("base64")}`;
}

export function registerLogin(url: URL): void {
  registerSecret(decode(url.password).toString());
  registerSecret(authorizationIn(url)?.replace(/^Basic /, ""));
}

/** Headers of every request. @param proxy receives the request itself, so it gets its login */
export function commonHeaders(host: string, proxy: URL | undefined): Readonly<Record<string, string>> {
  const authorization = proxy && authorizationIn(proxy);
  return { host, "user-agent": "tandem", ...(authorization && { "proxy-authorization": authorization }) };
}

/** The bytes of a URL's user or password: any bytes can be written as %XX, not only those of UTF-8. */
function decode(text: string): Buffer {
  const bytes = text.replace(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1");
}

/**
 * Opens a connection to a host through an HTTP proxy's open connection (RFC 9110 section 9.3.6). Any status but 200 is
 * a refusal, as in Go (net/http/transport.go, `dialConn`).
 * @param authority `host:port`
 * @throws ProxyRefusal
 */
export async function connectThrough(
  socket: Socket,
  proxy: URL,
  authority: string,
  options: DialOptions,
): Promise<Socket> {
  return opening(socket, timedOut(), options, async () => {
    const asked = request({
      method: "CONNECT",
      path: authority,
      headers: commonHeaders(authority, proxy),
      createConnection: () => socket,
      insecureHTTPParser: true,
      maxHeaderSize: MAX_HEAD_BYTES,
    });
    new ResponseHeads(socket).expect("connect");
    asked.end();
    const [response] = await once(asked, "connect");
    const status: number = response.statusCode;
    if (status !== 200)
      throw new ProxyRefusal(proxy.host, response.statusMessage || `status ${status}`, {
        status,
        isTemporary: isTemporaryStatus(status),
        login: status === 407 ? requiredLogin(proxy, response.headersDistinct["proxy-authenticate"]) : undefined,
      });
    return socket;
  });
}

/** @param challenges the Proxy-Authenticate headers of a response with the status 407 */
export function requiredLogin(proxy: URL, challenges: readonly string[] | undefined): ProxyLogin {
  return { isGiven: hasLogin(proxy), schemes: parseChallenges(challenges).map(({ scheme }) => scheme) };
}

function timedOut(): Error {
  return new HttpError("HTTP_CONNECT_TIMEOUT", "i/o timeout");
}

/** RFC 1928 section 6; the second part: whether a retry may help. */
const SOCKS_REPLIES: Readonly<Record<number, readonly [text: string, isTemporary: boolean]>> = {
  1: ["general SOCKS server failure", true],
  2: ["connection not allowed by ruleset", false],
  3: ["network unreachable", true],
  4: ["host unreachable", true],
  5: ["connection refused", true],
  6: ["TTL expired", true],
  7: ["command not supported", false],
  8: ["address type not supported", false],
};

/** As Go begins the errors of SOCKS (golang.org/x/net/internal/socks). @param proxy its host and port */
export function socksPrefix(proxy: string, { host, port }: Address): string {
  return `socks connect tcp ${proxy}->${host}:${port}: `;
}

const SOCKS_ADDRESS_BYTES: Readonly<Record<number, number>> = { 1: 4, 4: 16 };

/**
 * Like {@link connectThrough}, for a SOCKS5 proxy (RFC 1928, RFC 1929), which resolves the name itself, as in Go.
 * @throws ProxyRefusal
 */
export async function connectThroughSocks(
  socket: Socket,
  proxy: URL,
  { host, port }: Address,
  options: DialOptions,
): Promise<Socket> {
  const isGiven = hasLogin(proxy);
  const refusal = (text: string, isTemporary: boolean, login?: ProxyLogin) =>
    new ProxyRefusal(proxy.host, `${socksPrefix(proxy.host, { host, port })}${text}`, {
      status: undefined,
      isTemporary,
      login,
    });
  return opening(socket, timedOut(), options, async () => {
    socket.write(isGiven ? Buffer.from([5, 2, 0, 2]) : Buffer.from([5, 1, 0]));
    const [version, method] = await readBytes(socket, 2);
    if (version !== 5) throw refusal("unexpected protocol version", false);
    if (method === 2 && isGiven) {
      const login = [proxy.username, proxy.password].map((part) => decode(part).subarray(0, 255));
      socket.write(Buffer.concat([Buffer.from([1]), ...login.flatMap((part) => [Buffer.from([part.length]), part])]));
      const [loginVersion, status] = await readBytes(socket, 2);
      if (loginVersion !== 1) throw refusal("invalid username/password version", false);
      if (status !== 0) throw refusal("username/password authentication failed", false, { isGiven, schemes: [] });
    } else if (method !== 0) throw refusal("no acceptable authentication methods", false, { isGiven, schemes: [] });
    socket.write(Buffer.concat([Buffer.from([5, 1, 0]), socksAddress(host), Buffer.from([port >> 8, port & 255])]));
    const [replyVersion, reply = 1, reserved, type = 0] = await readBytes(socket, 4);
    if (replyVersion !== 5) throw refusal("unexpected protocol version", false);
    if (reply !== 0) throw refusal(...(SOCKS_REPLIES[reply] ?? [`unknown code: ${reply}`, true]));
    if (reserved !== 0) throw refusal("non-zero reserved field", false);
    const addressBytes = type === 3 ? (await readBytes(socket, 1))[0] : SOCKS_ADDRESS_BYTES[type];
    if (addressBytes === undefined) throw refusal(`unknown address type ${type}`, false);
    await readBytes(socket, addressBytes + 2);
    return socket;
  });
}

function socksAddress(host: string): Buffer {
  const version = isIP(host);
  if (version === 4) return Buffer.from([1, ...host.split(".").map(Number)]);
  if (version === 6) return Buffer.concat([Buffer.from([4]), ipv6Bytes(host)]);
  const name = Buffer.from(host).subarray(0, 255);
  return Buffer.concat([Buffer.from([3, name.length]), name]);
}

/** @param address as in a URL's host: without an IPv4 part */
function ipv6Bytes(address: string): Buffer {
  const [left = [], right = []] = address.split("::").map((half) => half.split(":").filter(Boolean));
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill("0"), ...right];
  return Buffer.from(groups.map((group) => group.padStart(4, "0")).join(""), "hex");
}

async function readBytes(socket: Socket, count: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let left = count; left > 0; ) {
    // Takes what has arrived: while bytes are buffered, "readable" fires at once, so waiting for more would spin.
    const bytes: unknown = socket.read(Math.min(left, socket.readableLength));
    if (Buffer.isBuffer(bytes)) {
      parts.push(bytes);
      left -= bytes.length;
      continue;
    }
    if (socket.readableEnded || socket.destroyed) throw new HttpError("HTTP_EOF", "EOF");
    const waiting = new AbortController();
    try {
      await Promise.race([
        once(socket, "readable", { signal: waiting.signal }),
        once(socket, "end", { signal: waiting.signal }),
        once(socket, "close", { signal: waiting.signal }),
      ]);
    } finally {
      waiting.abort();
    }
  }
  return Buffer.concat(parts);
}
