import { BlockList, isIP } from "node:net";
import { domainToASCII } from "node:url";
import { Fault } from "../errors/fault.ts";
import type { Environment } from "../process/environment.ts";
import { addressOf, DEFAULT_PORT, familyOf } from "./address.ts";
import { registerLogin } from "./tunnel.ts";

/**
 * The proxy for a URL by Go's rules (golang.org/x/net/http/httpproxy), undefined for none. A value that is not a URL
 * with a host is parsed again as `http://<value>`. If that fails too, or if the value has a leading blank or control
 * characters, there is no proxy. An empty host before a port is this machine (net/dial.go, `Dial`). A proxy of an
 * unknown scheme that names a port is used as an HTTP proxy (net/http/transport.go, `dialConn`).
 * @throws Fault for `HTTP_PROXY` in a CGI program, where a client can set it; for a proxy of an unknown scheme without
 * a port; for a port above 65535; for a login with a character that ends a URL's host: a part of the login would be
 * taken for the host, and shown
 */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const value = environment[name] || environment[name.toLowerCase()] || "";
  if (value === "" || /^ |[^ -~\u00a0-\uffff]/.test(value)) return undefined;
  const isDirect = !usesProxy(url, environment.NO_PROXY || environment.no_proxy || "");
  if (!isDirect && HOST_ENDS_IN_LOGIN.test(value.replace(SCHEME, "")))
    throw new Fault("EXPORT_REGISTRY_PROXY", `proxyconnect tcp: ${name} is not the URL of a proxy`, {
      hint: `Write special characters in the user and the password of ${name} as %XX: # as %23, / as %2F, ? as %3F, \\ as %5C.`,
    });
  const port = PORT.exec(value)?.[1] ?? "";
  const isValidPort = Number(port) <= 65_535;
  const proxy = isValidPort ? parseProxy(value) : undefined;
  if (proxy === undefined && isValidPort) return undefined;
  if (name === "HTTP_PROXY" && environment.REQUEST_METHOD)
    throw new Fault(
      "EXPORT_REGISTRY_PROXY",
      "refusing to use HTTP_PROXY value in CGI environment; see golang.org/s/cgihttpproxy",
    );
  if (isDirect) return undefined;
  if (proxy === undefined)
    throw new Fault("EXPORT_REGISTRY_PROXY", `proxyconnect tcp: dial tcp: address ${port}: invalid port`, {
      hint: `Correct the port in ${name}.`,
    });
  registerLogin(proxy);
  if (Object.hasOwn(DEFAULT_PORT, proxy.protocol)) return proxy;
  const asHttp = proxy.port === "" ? null : URL.parse(proxy.href.replace(proxy.protocol, "http:"));
  if (asHttp !== null) return asHttp;
  throw new Fault("EXPORT_REGISTRY_PROXY", `proxyconnect tcp: unknown proxy scheme: ${proxy.protocol.slice(0, -1)}`, {
    hint: `Give the port of ${name}, or use one of the schemes http, https and socks5.`,
  });
}

const SCHEME = /^[a-z][a-z\d+.-]*:\/\//i;

/** A character that ends the host of a URL, and an `@` after it. */
const HOST_ENDS_IN_LOGIN = /^[^/?#\\]*[/?#\\].*@/;

/** After scheme, login and host. */
const PORT = /^(?:[a-z][a-z\d+.-]*:\/\/)?[^/?#]*:(\d+)(?:[/?#]|$)/i;

/** Scheme and login, if any, before a port without a host. */
const WITHOUT_HOST = /^(?:[a-z][a-z\d+.-]*:\/\/)?(?:[^/?#]*@)?(?=:\d*(?:[/?#]|$))/i;

function parseProxy(value: string): URL | undefined {
  const named = value.replace(WITHOUT_HOST, "$&127.0.0.1");
  const url = URL.parse(named);
  return (url?.host ? url : URL.parse(`http://${named}`)) ?? undefined;
}

function usesProxy(url: URL, noProxy: string): boolean {
  const { host, port } = addressOf(url);
  if (host === "localhost" || host === "::1" || isInNetwork("127.0.0.0/8", host)) return false;
  return !noProxy.split(",").some((entry) => matches(entry.trim().toLowerCase(), host, String(port)));
}

/** As Go's `net.SplitHostPort` splits it. */
const HOST_AND_PORT = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/;

function matches(entry: string, host: string, port: string): boolean {
  if (entry === "*" || isInNetwork(entry, host)) return true;
  const [, bracketed, plain, onlyPort = ""] = HOST_AND_PORT.exec(entry) ?? [];
  const name = (bracketed ?? plain ?? entry).replace(/^\*\./, ".");
  if (name === "" || (onlyPort !== "" && onlyPort !== port)) return false;
  const version = versionOf(name);
  // Suffixes match names, never addresses.
  if (version !== 0 || isIP(host) !== 0) return version !== 0 && isSameAddress(name, host);
  const labels = name.replace(/^\./, "");
  const ascii = /[\u0080-\uffff]/.test(labels) ? domainToASCII(labels) || labels : labels;
  return host.endsWith(`.${ascii}`) || (!name.startsWith(".") && host === ascii);
}

/** As Go's `net.ParseIP`, which takes no zone. */
function versionOf(address: string): number {
  return address.includes("%") ? 0 : isIP(address);
}

function isSameAddress(address: string, host: string): boolean {
  return isInNetwork(`${address}/${isIP(address) === 4 ? 32 : 128}`, host);
}

function isInNetwork(entry: string, host: string): boolean {
  const [network = "", prefix = ""] = entry.split("/");
  const version = versionOf(network);
  const isSameVersion = isIP(host) === version || isMapped(host) || isMapped(network);
  if (version === 0 || isIP(host) === 0 || !isSameVersion || !/^\d{1,3}$/.test(prefix)) return false;
  if (Number(prefix) > (version === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), familyOf(network));
  return list.check(host, familyOf(host));
}

/** An IPv4-mapped IPv6 address, which Go and BlockList compare with IPv4 addresses. */
function isMapped(address: string): boolean {
  return address.startsWith("::ffff:");
}
