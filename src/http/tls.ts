import { constants, X509Certificate } from "node:crypto";
import { type Dirent, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { connect, createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import type { Environment } from "../process/environment.ts";

/** Where Linux distributions keep the roots that Go trusts (crypto/x509/root_linux.go): the first of these files... */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** ...and all files of these directories. */
const DIRECTORIES = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

export interface RootPlaces {
  readonly bundles: readonly string[];
  readonly directories: readonly string[];
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * The certificates to trust, as PEM, like a Go program does (crypto/x509/root_unix.go): of `SSL_CERT_FILE` or else the system's
 * bundle, and of every file in the directories of `SSL_CERT_DIR` (colon-separated) or else the system's. So a file of one's
 * own does not take away what the system's directory has. Undefined when there are none: Node's own list is used then.
 */
export function readTrustedRoots(
  environment: Environment,
  { bundles, directories }: RootPlaces = { bundles: BUNDLES, directories: DIRECTORIES },
): string | undefined {
  const { SSL_CERT_FILE, SSL_CERT_DIR } = environment;
  const roots = new Set<string>();
  for (const path of SSL_CERT_FILE ? [SSL_CERT_FILE] : bundles) {
    const bundle = readIfPossible(path);
    if (bundle === undefined) continue;
    addCertificates(roots, bundle);
    break;
  }
  for (const directory of SSL_CERT_DIR ? SSL_CERT_DIR.split(":") : directories) {
    for (const entry of entriesOf(directory)) {
      addCertificates(roots, readIfPossible(join(directory, entry.name)) ?? "");
    }
  }
  // One text: OpenSSL takes four times as long for as many texts.
  return roots.size > 0 ? [...roots].join("\n") : undefined;
}

/** Those that can be understood: one that cannot would keep all others from being used. */
function addCertificates(roots: Set<string>, text: string): void {
  for (const certificate of text.match(CERTIFICATE) ?? [])
    if (!roots.has(certificate) && isUnderstood(certificate)) roots.add(certificate);
}

function isUnderstood(certificate: string): boolean {
  try {
    return new X509Certificate(certificate).raw.length > 0;
  } catch {
    return false;
  }
}

function readIfPossible(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Without the second names, by hash, that OpenSSL wants for the same files. */
function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).filter((entry) => !isSecondName(directory, entry));
  } catch {
    return [];
  }
}

function isSecondName(directory: string, entry: Dirent): boolean {
  if (!entry.isSymbolicLink()) return false;
  try {
    return !readlinkSync(join(directory, entry.name)).includes("/");
  } catch {
    return false;
  }
}

export interface TlsSettings {
  readonly secureContext: SecureContext;
  /** Always given: without it `NODE_TLS_REJECT_UNAUTHORIZED` decides. */
  readonly rejectUnauthorized: boolean;
}

export interface Certificates {
  readonly ca: string | Buffer | string[];
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Level 1 takes keys of 1024 bits, as Go does; OpenSSL's default takes none below 2048. */
const CIPHERS = `${constants.defaultCoreCipherList}:@SECLEVEL=1`;

/**
 * TLS whose versions, ciphers and authorities do not depend on Node's options and variables, nor on what a program that uses the
 * library has set in node:tls (`DEFAULT_MIN_VERSION`, `setDefaultCACertificates`). It takes what Go's client takes: the same
 * versions, servers without secure renegotiation (RFC 5746: old firewalls and load balancers; we never renegotiate), and any
 * trusted certificate as the end of a chain, also an intermediate or the server's own.
 */
export function tlsSettings(certificates: Certificates, rejectUnauthorized: boolean): TlsSettings {
  const secureContext = createSecureContext({
    ...certificates,
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    ciphers: CIPHERS,
    ecdhCurve: "auto",
    secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
    allowPartialTrustChain: true,
  });
  return { secureContext, rejectUnauthorized };
}

/** The environment's and the system's authorities, or Mozilla's, which come with Node.js, where there are none. */
export function trustedAuthorities(environment: Environment): string {
  return readTrustedRoots(environment) ?? rootCertificates.join("\n");
}

/** Takes any certificate. To load authorities for it would take longer than a small export. */
export function unverifiedTls(): TlsSettings {
  return tlsSettings({ ca: [] }, false);
}

/** A server that is asked in TLS and does not understand answers at once; one that says nothing is left to the real attempt. */
const PROBE_TIMEOUT_MS = 300;

/** OpenSSL's codes for an answer that is not TLS. */
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
