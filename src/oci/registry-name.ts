/** Docker Hub's name in references, and the registry of every name that has none. */
export const DOCKER_HUB = "index.docker.io";

const HUB_ALIAS = "docker.io";

/** IPv6 literal in brackets; what is inside is only roughly checked, the URL parser does the rest. */
const BRACKETED = /^\[[0-9A-Fa-f:.]+\](?::\d*)?$/;

/** Characters that Go's net/url lets through unescaped in a host, with at most one colon, before the port's digits. */
const HOST = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=<>"]|[^\x20-\x7e\p{Cc}])*(?::\d*)?$/u;

/**
 * True for a valid URI authority without user information, as go-containerregistry checks it (pkg/name/registry.go), if there
 * can be a URL with it at all: the reference finds that out when it connects. "" stands for Docker Hub.
 */
export function isRegistryName(name: string): boolean {
  const isAuthority = name.startsWith("[") ? BRACKETED.test(name) : HOST.test(name);
  return isAuthority && (name === "" || URL.canParse(`https://${name}/`));
}

/** The registry meant by what was written before the first slash; "" is Docker Hub. */
export function canonicalRegistry(name: string): string {
  return name === "" || name === HUB_ALIAS ? DOCKER_HUB : name;
}

const LOCAL = [
  /^localhost:/,
  /\.localhost(?::\d{1,5})?$/,
  /^127\.0\.0\.1(?::\d{1,5})?$/,
  /^(?:::1|\[::1\](?::\d{1,5})?)$/,
];
const IPV4_START = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?::|$)/;

/**
 * True for a registry that may use http without being listed as insecure (docs/compatibility.md#registry-handshake):
 * `localhost:<port>`, `*.localhost`, 127.0.0.1, ::1 and the private IPv4 ranges of RFC 1918.
 */
export function isLocalRegistry(registry: string): boolean {
  if (LOCAL.some((pattern) => pattern.test(registry))) return true;
  const parts = IPV4_START.exec(registry)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return false;
  const [first, second] = parts as [number, number, number, number];
  return first === 10 || (first === 172 && second >= 16 && second <= 31) || (first === 192 && second === 168);
}
