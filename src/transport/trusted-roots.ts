import { X509Certificate } from "node:crypto";
import { type Dirent, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "./docker-config.ts";

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

/** The system's places; a test has others. */
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
