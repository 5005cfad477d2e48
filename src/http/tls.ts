import { constants, X509Certificate } from "node:crypto";
import { type Dirent, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { readFileSync } from "../files/read-file.ts";
import { goReason } from "../go/errno.ts";

const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

const DIRECTORIES = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

export interface RootPlaces {
  readonly bundles: readonly string[];
  readonly directories: readonly string[];
}

export interface RootVariables {
  readonly SSL_CERT_FILE?: string | undefined;
  readonly SSL_CERT_DIR?: string | undefined;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g;

/**
 * The certificates to trust, as PEM, as in Go (crypto/x509/root_unix.go): `SSL_CERT_FILE` or else the first of the
 * system's bundles, plus every file in the directories of `SSL_CERT_DIR` (colon-separated) or else the system's
 * (crypto/x509/root_linux.go). So a custom file adds to the system's directory. Invalid certificates are skipped: one
 * would make OpenSSL reject all others.
 * @returns undefined if there are none
 */
export function readTrustedRoots(
  environment: RootVariables,
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
    for (const entry of readEntries(directory)) {
      addCertificates(roots, readIfPossible(join(directory, entry.name)) ?? "");
    }
  }
  // Joined, because OpenSSL takes four times as long for separate texts.
  return roots.size > 0 ? [...roots].join("\n") : undefined;
}

/** Adds what a text in PEM format has, without invalid certificates. */
export function addCertificates(roots: Set<string>, text: string): void {
  for (const [, base64 = ""] of text.matchAll(CERTIFICATE)) {
    // Unlike Go, OpenSSL accepts no blank lines.
    const certificate = `-----BEGIN CERTIFICATE-----\n${base64.replace(/\s+/g, "\n").trim()}\n-----END CERTIFICATE-----`;
    if (!roots.has(certificate) && isUnderstood(certificate)) roots.add(certificate);
  }
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
    return readFileSync(path).toString("utf8");
  } catch {
    return undefined;
  }
}

function readEntries(directory: string): Dirent[] {
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

/**
 * `rejectUnauthorized` is mandatory: without it `NODE_TLS_REJECT_UNAUTHORIZED` decides. Sessions belong to one context,
 * because resuming one skips the verification of the server.
 */
export interface TlsSettings {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: boolean;
  readonly sessions: TlsSessions;
  /** @see unreadRoots */
  readonly unreadRoots: () => string | undefined;
}

const MAX_SESSIONS = 32;

/**
 * The last session of each server, for further connections to resume: a request over one then takes 1.5 ms of CPU, not
 * 2.1. Holds one for each registry, token server and object store of an export; a session has a few kB with the
 * server's certificates.
 */
export class TlsSessions {
  readonly #sessions = new Map<string, Buffer>();

  get(server: string): Buffer | undefined {
    return this.#sessions.get(server);
  }

  set(server: string, session: Buffer): void {
    this.delete(server);
    this.#sessions.set(server, session);
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= MAX_SESSIONS) break;
      this.#sessions.delete(oldest);
    }
  }

  delete(server: string): void {
    this.#sessions.delete(server);
  }
}

export interface Certificates {
  readonly ca: string | Buffer | string[];
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

const CIPHERS = `${constants.defaultCoreCipherList}:@SECLEVEL=1`;

/**
 * TLS settings independent of Node's options and variables, and of what an embedding program has set in node:tls
 * (`DEFAULT_MIN_VERSION`, `setDefaultCACertificates`). They accept what Go's client accepts: the same versions, keys of
 * 1024 bits (security level 1; OpenSSL's default requires 2048), servers without secure renegotiation (RFC 5746: old
 * firewalls and load balancers; this client never renegotiates), and any trusted certificate as the end of a chain,
 * even an intermediate or the server's own.
 * @param roots variables that the certificates were read from
 */
export function tlsSettings(
  { rejectUnauthorized, ...certificates }: Certificates & { readonly rejectUnauthorized: boolean },
  roots: RootVariables = {},
): TlsSettings {
  const secureContext = createSecureContext({
    ...certificates,
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    ciphers: CIPHERS,
    ecdhCurve: "auto",
    secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
    allowPartialTrustChain: true,
  });
  return { secureContext, rejectUnauthorized, sessions: new TlsSessions(), unreadRoots: () => unreadRoots(roots) };
}

/** As in Go, variables that name no certificate trust none; Node's list is only for machines without certificates. */
export function trustedAuthorities(environment: RootVariables, places?: RootPlaces): string | string[] {
  const isNamed = Boolean(environment.SSL_CERT_FILE || environment.SSL_CERT_DIR);
  return readTrustedRoots(environment, places) ?? (isNamed ? [] : rootCertificates.join("\n"));
}

const NOWHERE: RootPlaces = { bundles: [], directories: [] };

/** Why one of the variables has no effect. As in Go, this alone is not an error. */
function unreadRoots({ SSL_CERT_FILE, SSL_CERT_DIR }: RootVariables): string | undefined {
  if (SSL_CERT_FILE && readTrustedRoots({ SSL_CERT_FILE }, NOWHERE) === undefined)
    return `SSL_CERT_FILE: ${readFailure(SSL_CERT_FILE) ?? `${SSL_CERT_FILE} has no certificate in PEM format`}`;
  if (SSL_CERT_DIR && readTrustedRoots({ SSL_CERT_DIR }, NOWHERE) === undefined)
    return `SSL_CERT_DIR: ${SSL_CERT_DIR} has no file with a certificate in PEM format`;
  return undefined;
}

function readFailure(path: string): string | undefined {
  try {
    readFileSync(path);
    return undefined;
  } catch (error) {
    return `open ${path}: ${goReason(error)}`;
  }
}

let unverified: TlsSettings | undefined;

export function unverifiedTls(): TlsSettings {
  unverified ??= tlsSettings({ ca: [], rejectUnauthorized: false });
  return unverified;
}
