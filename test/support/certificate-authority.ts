import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "./find-program.ts";

/** Why no certificates can be made on this machine; undefined when they can: Node reads certificates, but makes none. */
export function certificateProblem(): string | undefined {
  return findProgram("openssl") === undefined
    ? "openssl is not installed (Debian: apt-get install openssl)"
    : undefined;
}

/** Files in PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** A certificate authority that nobody trusts who was not told to. */
export class CertificateAuthority {
  /** The authority's own certificate; a file in PEM. */
  readonly certificate: string;
  readonly #directory: string;
  readonly #key: string;

  /** @param directory where its files and those of what it signs go */
  constructor(directory: string) {
    this.#directory = directory;
    this.certificate = join(directory, "ca.pem");
    this.#key = join(directory, "ca-key.pem");
    openssl([...NEW_KEY, "-subj", "/CN=authority of a test", "-keyout", this.#key, "-out", this.certificate]);
  }

  /** Signs a certificate for a server on the loopback address, or for a client. @param name of the files and the subject */
  issue(name: string): Certificate {
    const [certificate, key] = [`${name}-cert.pem`, `${name}-key.pem`].map((file) => join(this.#directory, file)) as [
      string,
      string,
    ];
    openssl([
      ...["-CA", this.certificate, "-CAkey", this.#key, ...NEW_KEY, "-subj", `/CN=${name}`],
      ...["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"],
      ...["-addext", "extendedKeyUsage=serverAuth,clientAuth", "-keyout", key, "-out", certificate],
    ]);
    return { certificate, key };
  }

  /** The authority's certificate itself. */
  get pem(): string {
    return readFileSync(this.certificate, "utf8");
  }
}

function openssl(args: readonly string[]): void {
  execFileSync("openssl", ["req", "-x509", "-days", "2", ...args], { stdio: ["ignore", "ignore", "pipe"] });
}
