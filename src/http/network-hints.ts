import { messageOf } from "../errors/fault.ts";
import { hintLine } from "../errors/printable.ts";
import { isSystemError } from "../go/errno.ts";
import { HttpError } from "./http-error.ts";
import { MAX_HEAD_BYTES } from "./response-heads.ts";
import { isHttp2Only, isPlainHttp, isUntrusted, tlsHint } from "./tls-failures.ts";
import { type ProxyFailure, type ProxyLogin, ProxyRefusal } from "./tunnel.ts";

export const PROXY_LOGIN_HINT =
  "Give the proxy's user and password in HTTPS_PROXY and HTTP_PROXY, after the scheme: user:password@host:port.";

export function isBadCertificate(error: unknown): error is HttpError {
  return error instanceof HttpError && error.hasBadCertificate === true;
}

export function isHandshakeHangUp(error: unknown): boolean {
  return error instanceof HttpError && error.isInHandshake === true;
}

/**
 * An HTTP/2 connection starts with a SETTINGS frame of stream 0 (RFC 9113 section 3.4). A TLS server without HTTP/1.1
 * refuses the only protocol offered (ALPN) instead: {@link isHttp2Only}.
 */
export function isHttp2(error: unknown): boolean {
  if (!Error.isError(error) || !("data" in error) || typeof error.data !== "string") return false;
  const bytes = Buffer.from(error.data);
  return bytes.length >= 9 && bytes[0] === 0 && bytes[3] === 4 && bytes.readUInt32BE(5) === 0;
}

/** undici names the header that it rejects only in its message. */
export function isInvalidAuthorization(error: unknown): boolean {
  return messageOf(error) === "invalid authorization header";
}

const NOT_CONNECTED = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "HTTP_CONNECT_TIMEOUT"]);

const BROKEN = new Set(["ECONNABORTED", "ECONNRESET", "EPIPE", "HPE_INVALID_EOF_STATE", "HTTP_EOF"]);
const SILENT = new Set(["HTTP_BODY_TIMEOUT", "HTTP_HEADERS_TIMEOUT"]);

/** The host of `url`, through `proxy` if there is one. */
export interface Way {
  readonly url: URL;
  readonly proxy?: URL | undefined;
}

/** What to do about a failure on the way to the host of a URL, or to the proxy in front of it. */
export function networkHint(
  code: string,
  { url, proxy: opened }: Way,
  error: unknown,
  failure: ProxyFailure | undefined,
): string | undefined {
  if (error instanceof ProxyRefusal) return refusalHint(error, url);
  if (failure === undefined) {
    const certificate = certificateHint(code, error, url.host, REGISTRY_ADVICE);
    return certificate ?? registryHint(code, url, error, opened);
  }
  const { proxy, step } = failure;
  // A TLS 1.3 server rejects a client without a certificate only after the handshake.
  if (step !== "connect")
    return (
      tlsHint(code, error, `the proxy ${proxy}`) ??
      `Check the proxy ${proxy} and its log: it has not answered a request to connect to ${url.host} as a proxy does; or name ${url.hostname} in NO_PROXY.`
    );
  return certificateHint(code, error, `the proxy ${proxy}`) ?? proxyHint(code, error, proxy);
}

const REGISTRY_ADVICE = ", or list the registry in -insecure-registry (CNB_INSECURE_REGISTRIES)";

/** @param advice on an unknown authority, besides adding its CA */
export function certificateHint(code: string, error: unknown, server: string, advice = ""): string | undefined {
  if (!isBadCertificate(error)) return undefined;
  if (isUntrusted(code)) return untrustedHint(error, server, advice);
  if (code === "CERT_NOT_YET_VALID")
    return `Set the clock of this machine, or give ${server} a certificate that is valid already.`;
  if (code === "CERT_HAS_EXPIRED") return `Renew the certificate of ${server}, or set the clock of this machine.`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return `Use a name that the certificate of ${server} is for, or give it one for this name.`;
  if (code === "INVALID_PURPOSE")
    return `Give ${server} a certificate for servers (extendedKeyUsage serverAuth), from a CA that may sign it.`;
  return `Replace the certificate of ${server}, or that of its CA: the message says what is wrong with it.`;
}

function untrustedHint({ issuer, isWithoutIssuer, unreadRoots }: HttpError, server: string, advice: string): string {
  const name = issuer === undefined ? "" : ` (${issuer})`;
  return [
    unreadRoots && hintLine`${unreadRoots}.`,
    `Add the CA of ${server}${name} with SSL_CERT_FILE${advice}.`,
    isWithoutIssuer && `If that is an intermediate CA, configure ${server} to send that CA's certificate as well.`,
  ]
    .filter(Boolean)
    .join(" ");
}

function proxyHint(code: string, error: unknown, proxy: string): string {
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return `Check the name of the proxy ${proxy} in HTTPS_PROXY or HTTP_PROXY, and the name servers of this machine or container.`;
  if (isPlainHttp(code))
    return `The proxy ${proxy} does not speak TLS: write http:// instead of https:// in HTTPS_PROXY or HTTP_PROXY.`;
  const hint = tlsHint(code, error, `the proxy ${proxy}`);
  return (
    hint ?? `Check that the proxy ${proxy} is up, and that it is the right one (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).`
  );
}

function registryHint(code: string, url: URL, error: unknown, proxy: URL | undefined): string | undefined {
  if (isInvalidAuthorization(error))
    return `Correct the credentials for ${url.host}: they, or the token of its token server, contain a character that is invalid in a header, such as a line feed.`;
  if (isHttp2Only(error) || isHttp2(error))
    return `${url.host} speaks HTTP/2 only: enable HTTP/1.1 there, or in the load balancer in front of it.`;
  if (code === "HPE_HEADER_OVERFLOW") return `The headers of ${url.host} are longer than ${MAX_HEAD_BYTES} bytes.`;
  if (code === "HPE_INVALID_HEADER_TOKEN")
    return `Correct this header of ${url.host}, or of the load balancer in front of it.`;
  if (code === "HPE_INVALID_TRANSFER_ENCODING")
    return `Configure ${url.host}, or the load balancer in front of it, to use no transfer coding but chunked.`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return `Check the name ${url.hostname}, and the name servers of this machine or container.`;
  const isBroken = BROKEN.has(code) || SILENT.has(code) || NOT_CONNECTED.has(code);
  if (isBroken && proxy !== undefined)
    return openedHint(proxy, url, "the connection through it broke or stayed silent");
  if (isHandshakeHangUp(error))
    return `${url.host} closes connections that begin with TLS: check that this port speaks https (list a registry that speaks plain HTTP in -insecure-registry, CNB_INSECURE_REGISTRIES), and what is on the way to it: load balancer, firewall, VPN.`;
  if (BROKEN.has(code)) return brokenHint(url.host);
  if (SILENT.has(code) || (NOT_CONNECTED.has(code) && isConnected(error))) return silentHint(url.host);
  if (NOT_CONNECTED.has(code))
    return `Check that ${url.host} is up, and that the proxy settings are right (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).`;
  const hint = isPlainHttp(code) ? undefined : tlsHint(code, error, url.host);
  if (hint !== undefined) return hint;
  // A plain HTTP server answers a TLS handshake with something that is not TLS, and vice versa.
  const isOtherProtocol = code.startsWith("ERR_SSL") || code === "EPROTO" || code.startsWith("HPE_");
  if (isOtherProtocol && proxy !== undefined)
    return openedHint(proxy, url, `what answers through it does not speak ${url.protocol.slice(0, -1)}`);
  return isOtherProtocol
    ? `Check that ${url.host} is a registry that speaks ${url.protocol.slice(0, -1)}; list one that speaks plain HTTP in -insecure-registry (CNB_INSECURE_REGISTRIES).`
    : undefined;
}

/** @param reason why the proxy may be to blame, although it has let the request pass */
function openedHint(proxy: URL, { host, hostname }: URL, reason: string): string {
  return `Check the proxy ${proxy.host} and its log, and that ${host} is healthy: ${reason}; or name ${hostname} in NO_PROXY.`;
}

/** A timeout of a TLS handshake or of sent data, not of opening the connection. */
function isConnected(error: unknown): boolean {
  return !isSystemError(error) || error.syscall !== "connect";
}

function brokenHint(host: string): string {
  return `Check that ${host} is healthy, and what is on the way to it: load balancer, firewall, VPN.`;
}

/** Large packets that get lost (RFC 2923 section 2.1) look like a silent host. */
export function silentHint(host: string): string {
  return `${brokenHint(host)} If only large requests or responses get stuck, lower the MTU of this machine or container.`;
}

function refusalHint({ proxy, status, login }: ProxyRefusal, { host, hostname }: URL): string {
  if (login !== undefined) return loginHint(proxy, login);
  const reaction = status === undefined ? "refuses" : `answers ${status} to`;
  return `The proxy ${proxy} ${reaction} connections to ${host}: allow them there, or name ${hostname} in NO_PROXY.`;
}

export function loginHint(proxy: string, { isGiven, schemes }: ProxyLogin): string {
  if (schemes.length > 0 && !schemes.some((scheme) => /^basic$/i.test(scheme)))
    return `The proxy ${proxy} requires a login by ${schemes.join(" or ")}, and only Basic is supported: allow Basic there, or use a local proxy that logs in to it.`;
  return isGiven
    ? `The proxy ${proxy} rejects the user or password in HTTPS_PROXY or HTTP_PROXY: correct them, with special characters as %XX.`
    : `Give the user and password of the proxy ${proxy} in HTTPS_PROXY and HTTP_PROXY, after the scheme: user:password@${proxy}.`;
}
