import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "./docker-config.ts";

/** Where Linux distributions keep the roots that Go trusts (crypto/x509/root_linux.go). */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * The certificates to trust, as PEM, like a Go program does: `SSL_CERT_FILE` or else the system's bundle, and those in the
 * directories of `SSL_CERT_DIR` (colon-separated). Undefined when there are none: Node's own list is used then.
 */
export function readTrustedRoots(environment: Environment): string[] | undefined {
  const { SSL_CERT_FILE, SSL_CERT_DIR } = environment;
  const roots: string[] = [];
  for (const path of SSL_CERT_FILE ? [SSL_CERT_FILE] : BUNDLES) {
    const bundle = readIfPossible(path);
    if (bundle === undefined) continue;
    roots.push(bundle);
    break;
  }
  for (const directory of SSL_CERT_DIR ? SSL_CERT_DIR.split(":") : []) {
    for (const name of namesIn(directory)) {
      const certificate = readIfPossible(join(directory, name));
      if (certificate?.includes("-----BEGIN CERTIFICATE-----")) roots.push(certificate);
    }
  }
  return roots.length > 0 ? roots : undefined;
}

function readIfPossible(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
