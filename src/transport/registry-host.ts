const DEFAULT_PORT: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

/** The scheme that a registry answered on. */
export type Scheme = "http:" | "https:";

/** `host:port` with the scheme's own port filled in. */
function withPort(host: string, scheme: Scheme): string {
  return /:\d+$/.test(host) && !/^[^[]*:[^\]]*:/.test(host)
    ? host
    : `${host.replace(/:$/, "")}:${DEFAULT_PORT[scheme]}`;
}

/** True when a URL is on the registry's own host: the only place that gets its credentials. */
export function isOnRegistry(url: URL, registry: string, scheme: Scheme): boolean {
  return withPort(url.host, scheme) === withPort(registry.toLowerCase(), scheme);
}

/**
 * The URL to use for a Location: relative ones are resolved, and on the registry's own host the scheme that worked
 * replaces what was written, because registries behind a proxy that ends TLS often answer `http://`.
 */
export function resolveLocation(location: string, base: URL, registry: string, scheme: Scheme): URL | undefined {
  const url = URL.parse(location, base);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  if (isOnRegistry(url, registry, scheme)) url.protocol = scheme;
  return url;
}
