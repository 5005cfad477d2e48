import { createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { Fault, messageOf, withContext } from "../errors/fault.ts";
import { readFileSync } from "../files/read-file.ts";
import { pathFault } from "../go/errno.ts";
import { goQuote } from "../go/format.ts";
import { parseGoDecimal } from "../go/strconv.ts";
import { proxyFor } from "../http/proxies.ts";
import { addCertificates, type Certificates, trustedAuthorities } from "../http/tls.ts";
import { tlsFailure } from "../http/tls-failures.ts";
import type { Environment } from "../process/environment.ts";

const DEFAULT_HOST = "unix:///var/run/docker.sock";

/** `sun_path` without its final zero (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;

const PASSWORD = /^(\w+:\/\/[^/?#]*?:)[^/?#]*@/;

interface DockerTls extends Certificates {
  readonly rejectUnauthorized: boolean;
}

/** `origin` of a unix socket has no meaning; without a `version` it is negotiated. */
export interface DockerHost {
  readonly name: string;
  readonly socketPath: string | undefined;
  readonly origin: string;
  readonly basePath: string;
  readonly tls: DockerTls | undefined;
  readonly proxy: URL | undefined;
  readonly version: string | undefined;
}

/**
 * Reads Docker's variables as its own client does (docs/compatibility.md#daemon-connection): `DOCKER_HOST` (`unix://`,
 * `tcp://`, `http://` or `https://`), the proxies' variables, `DOCKER_CERT_PATH` with `ca.pem`, `cert.pem` and
 * `key.pem`, `DOCKER_TLS_VERIFY`, `DOCKER_API_VERSION`.
 * @throws Fault for an unsupported host or version, or certificates that cannot be used
 */
export function readDockerHost(environment: Environment): DockerHost {
  const given = environment.DOCKER_HOST || DEFAULT_HOST;
  const name = given.replace(PASSWORD, "$1xxxxx@");
  const [scheme = "", address = ""] = given.split(/:\/\/(.*)/s);
  if (address === "") throw unparsable(name);
  if (scheme === "unix") {
    if (Buffer.byteLength(address) > MAX_SOCKET_PATH_BYTES)
      throw new Fault("EXPORT_DAEMON_HOST", `unix socket path ${goQuote(address)} is too long`, {
        hint: `Give the socket a path of at most ${MAX_SOCKET_PATH_BYTES} bytes.`,
      });
    const version = readVersion(environment);
    const proxy = undefined;
    return { name, socketPath: address, origin: "http://localhost", basePath: "", tls: undefined, proxy, version };
  }
  if (!["tcp", "http", "https"].includes(scheme)) throw unparsable(name);
  const tls = readTls(scheme, environment);
  const url = parseUrl(`${tls === undefined ? "http" : "https"}://${localIfEmpty(address)}`, name);
  return {
    name,
    socketPath: undefined,
    origin: url.origin,
    basePath: url.pathname.replace(/\/+$/, ""),
    tls,
    proxy: proxyFor(url, environment),
    version: readVersion(environment),
  };
}

/** An empty host is this machine (`Dial` in https://github.com/golang/go/blob/go1.26.8/src/net/dial.go). */
function localIfEmpty(address: string): string {
  return address.startsWith(":") ? `127.0.0.1${address}` : address;
}

function parseUrl(text: string, name: string): URL {
  const url = URL.parse(text);
  if (url === null) throw unparsable(name);
  return url;
}

/** https://pkg.go.dev/github.com/moby/moby/client@v0.5.1#WithAPIVersionFromEnv. */
function readVersion({ DOCKER_API_VERSION = "" }: Environment): string | undefined {
  const given = DOCKER_API_VERSION.trim();
  const [majorText = "", minorText] = given.replace(/^v/, "").split(/\.(.*)/s);
  if (majorText === "" && minorText === undefined) return undefined;
  const [major, minor] = [parseGoDecimal(majorText), parseGoDecimal(minorText ?? "")];
  if (major !== undefined && minor !== undefined) return `${major}.${minor}`;
  let flaw = "";
  if (minorText !== undefined && !majorText.startsWith("v"))
    flaw = major === undefined ? "invalid major version: " : "invalid minor version: ";
  throw new Fault("EXPORT_DAEMON_HOST", `invalid API version (${given}): ${flaw}must be formatted <major>.<minor>`, {
    hint: "Set DOCKER_API_VERSION to a version such as 1.44, or unset it.",
  });
}

function unparsable(name: string): Fault {
  return new Fault("EXPORT_DAEMON_HOST", `unable to parse docker host \`${name}\``);
}

/** Like Docker's client (https://github.com/docker/go-connections/blob/v0.7.0/tlsconfig/config.go). */
function readTls(scheme: string, environment: Environment): DockerTls | undefined {
  const { DOCKER_CERT_PATH: directory } = environment;
  if (!directory)
    return scheme === "https" ? { ca: trustedAuthorities(environment), rejectUnauthorized: true } : undefined;
  try {
    return readClientTls(directory, environment);
  } catch (error) {
    throw withContext(`configure TLS from ${goQuote(`DOCKER_CERT_PATH=${directory}`)}`, error);
  }
}

function readClientTls(directory: string, environment: Environment): DockerTls {
  const { DOCKER_TLS_VERIFY: verify } = environment;
  const ca = verify ? withAuthorities(trustedAuthorities(environment), join(directory, "ca.pem")) : [];
  const [certPath, keyPath] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  const [cert, key] = [readPem(certPath, KEY_PAIR), readPem(keyPath, KEY_PAIR)];
  checkPem(keyPath, "not an unencrypted private key in PEM format", () => createPrivateKey(key));
  checkPem(certPath, "not a certificate in PEM format", () => new X509Certificate(cert));
  checkPem(certPath, `not the certificate of ${keyPath}`, () => createSecureContext({ cert, key }));
  return { ca, cert, key, rejectUnauthorized: Boolean(verify) };
}

function withAuthorities(trusted: string | string[], path: string): string[] {
  const own = new Set<string>();
  addCertificates(own, readPem(path, `could not read CA certificate ${goQuote(path)}`).toString("latin1"));
  if (own.size === 0) throw new Fault("EXPORT_DAEMON_TLS", `${path}: no certificate in PEM format`);
  return [trusted, [...own]].flat();
}

function checkPem(path: string, flaw: string, parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    throw new Fault("EXPORT_DAEMON_TLS", `${path}: ${flaw}: ${tlsFailure(error) ?? messageOf(error)}`, {
      cause: error,
    });
  }
}

const KEY_PAIR = "could not load X509 key pair";

function readPem(path: string, failure: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw withContext(failure, pathFault("EXPORT_DAEMON_TLS", "open", path, error));
  }
}
