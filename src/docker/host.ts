import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../errors/fault.ts";
import { pathFault } from "../go/errno.ts";
import { parseGoDecimal } from "../go/strconv.ts";
import { type Certificates, trustedAuthorities } from "../http/tls.ts";
import type { Environment } from "../process/environment.ts";

const DEFAULT_HOST = "unix:///var/run/docker.sock";

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
  readonly version: string | undefined;
}

/**
 * Reads Docker's variables as its own client does (docs/compatibility.md#daemon-connection): `DOCKER_HOST` (`unix://`,
 * `tcp://`, `http://` or `https://`), `DOCKER_CERT_PATH` with `ca.pem`, `cert.pem` and `key.pem`, `DOCKER_TLS_VERIFY`,
 * `DOCKER_API_VERSION`.
 * @throws Fault for an unsupported host or version, or certificates that cannot be read
 */
export function readDockerHost(environment: Environment): DockerHost {
  const name = environment.DOCKER_HOST || DEFAULT_HOST;
  const [scheme = "", address = ""] = name.split(/:\/\/(.*)/s);
  if (address === "") throw unparsable(name);
  if (scheme === "unix") {
    const version = readVersion(environment);
    return { name, socketPath: address, origin: "http://localhost", basePath: "", tls: undefined, version };
  }
  if (!["tcp", "http", "https"].includes(scheme)) throw unparsable(name);
  const tls = scheme === "http" ? undefined : readTls(scheme, environment);
  const { origin, pathname } = parseUrl(`${tls === undefined ? "http" : "https"}://${localIfEmpty(address)}`, name);
  const basePath = pathname.replace(/\/+$/, "");
  return { name, socketPath: undefined, origin, basePath, tls, version: readVersion(environment) };
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

function readTls(scheme: string, environment: Environment): DockerTls | undefined {
  const { DOCKER_CERT_PATH: directory, DOCKER_TLS_VERIFY: verify } = environment;
  if (!directory)
    return scheme === "https" ? { ca: trustedAuthorities(environment), rejectUnauthorized: true } : undefined;
  const [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map((name) => readPem(join(directory, name)));
  return { ca: ca as Buffer, cert: cert as Buffer, key: key as Buffer, rejectUnauthorized: Boolean(verify) };
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw pathFault("EXPORT_DAEMON_TLS", "open", path, error);
  }
}
