import { constants } from "node:crypto";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import type { Environment } from "./docker-config.ts";
import { readTrustedRoots } from "./trusted-roots.ts";

/** What a connection over TLS is made with. */
export interface TlsSettings {
  readonly secureContext: SecureContext;
  /** Always given: without it `NODE_TLS_REJECT_UNAUTHORIZED` decides. */
  readonly rejectUnauthorized: boolean;
}

/** PEM. */
export interface Certificates {
  readonly ca: string | Buffer | string[];
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/**
 * TLS whose versions, ciphers and authorities do not depend on Node's options and variables, nor on what a program that uses the
 * library has set in node:tls (`DEFAULT_MIN_VERSION`, `setDefaultCACertificates`). The versions are those of Go's client.
 */
export function tlsSettings(certificates: Certificates, rejectUnauthorized: boolean): TlsSettings {
  const secureContext = createSecureContext({
    ...certificates,
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    ciphers: constants.defaultCoreCipherList,
    ecdhCurve: "auto",
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
