import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CertificateAuthority } from "./certificate.ts";

/** Files in PEM, for programs that want files. */
export interface CertificateFile {
  readonly certificate: string;
  readonly key: string;
}

/** An authority whose certificate, and those that it signs, are in files. */
export class CertificateFiles {
  /** The authority's own certificate; a file in PEM. */
  readonly authority: string;
  /** The same, itself. */
  readonly pem: string;
  readonly #directory: string;
  readonly #authority = new CertificateAuthority();

  /** @param directory where all files go */
  constructor(directory: string) {
    this.#directory = directory;
    this.pem = this.#authority.pem;
    this.authority = join(directory, "ca.pem");
    writeFileSync(this.authority, this.pem);
  }

  /** A certificate for a server on the loopback address, or for a client, in `<name>cert.pem` and `<name>key.pem`. */
  issue(name: string): CertificateFile {
    const { cert, key } = this.#authority.issue("127.0.0.1", "localhost");
    const files = {
      certificate: join(this.#directory, `${name}cert.pem`),
      key: join(this.#directory, `${name}key.pem`),
    };
    writeFileSync(files.certificate, cert);
    writeFileSync(files.key, key);
    return files;
  }
}
