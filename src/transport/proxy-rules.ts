import { BlockList, isIP } from "node:net";
import type { Environment } from "./docker-config.ts";

const DEFAULT_PORT: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

/**
 * The proxy for a URL by Go's rules (golang.org/x/net/http/httpproxy), undefined for none. Unlike undici's own
 * EnvHttpProxyAgent: HTTP_PROXY is not used for https, loopback addresses go direct, NO_PROXY may hold networks.
 */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = environment[name] || environment[name.toLowerCase()];
  if (!proxy || !usesProxy(url, environment.NO_PROXY || environment.no_proxy || "")) return undefined;
  return new URL(/^[a-z0-9]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`);
}

function usesProxy(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  if (host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))) return false;
  const port = url.port || DEFAULT_PORT[url.protocol] || "";
  return !noProxy.split(",").some((entry) => matches(entry.trim().toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  if (entry === "") return false;
  if (entry.includes("/")) return isInNetwork(entry, host);
  const [, pattern = entry, onlyPort = ""] = /^(.+):(\d+)$/.exec(isIP(entry) === 6 ? "" : entry) ?? [];
  if (onlyPort !== "" && onlyPort !== port) return false;
  const name = pattern.replace(/^\[(.*)\]$/, "$1").replace(/^\*\./, ".");
  return name.startsWith(".") ? host.endsWith(name) : host === name || host.endsWith(`.${name}`);
}

function isInNetwork(entry: string, host: string): boolean {
  const [network = "", prefix = ""] = entry.split("/");
  const version = isIP(network);
  if (version === 0 || isIP(host) !== version || !/^\d{1,3}$/.test(prefix)) return false;
  if (Number(prefix) > (version === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const family = version === 4 ? "ipv4" : "ipv6";
  list.addSubnet(network, Number(prefix), family);
  return list.check(host, family);
}
