import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";

export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

const SEQUENCE = 0x30;
const ECDSA_WITH_SHA256 = seq(Buffer.from("06082a8648ce3d040302", "hex"));
const BASIC_CONSTRAINTS_CA = seq(
  Buffer.from("0603551d13", "hex"),
  Buffer.from("0101ff", "hex"),
  tlv(4, seq(Buffer.from("0101ff", "hex"))),
);
const SUBJECT_ALT_NAME = Buffer.from("0603551d11", "hex");
const COMMON_NAME = Buffer.from("0603550403", "hex");

function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, ...lengthOf(body)]), body]);
}

/** The shortest form, because Go accepts no other. */
function lengthOf({ length }: Buffer): readonly number[] {
  if (length < 128) return [length];
  return length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
}

function seq(...parts: readonly Buffer[]): Buffer {
  return tlv(SEQUENCE, ...parts);
}

function nameOf(text: string): Buffer {
  return seq(tlv(0x31, seq(COMMON_NAME, tlv(0x0c, Buffer.from(text)))));
}

function utcTime(year: number): Buffer {
  return tlv(0x17, Buffer.from(`${String(year).slice(2)}0101000000Z`));
}

function altName(name: string): Buffer {
  return isIP(name) === 4 ? tlv(0x87, Buffer.from(name.split(".").map(Number))) : tlv(0x82, Buffer.from(name));
}

function pem(bytes: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${bytes.toString("base64").replace(/.{64}/g, "$&\n").trimEnd()}\n-----END CERTIFICATE-----\n`;
}

/** A separate authority for each test. X.509 as in RFC 5280, with only what TLS needs. */
export class CertificateAuthority {
  /** The authority's certificate, in PEM. */
  readonly pem: string;
  readonly #key: KeyObject;
  readonly #name: string;
  readonly #endYear: number;
  readonly #beginYear: number;

  /**
   * @param endYear the year on whose first day all of its certificates expire
   * @param beginYear the year on whose first day they become valid
   */
  constructor(name = `test authority ${randomBytes(4).toString("hex")}`, endYear = 2049, beginYear = 2020) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#key = privateKey;
    this.#name = name;
    this.#endYear = endYear;
    this.#beginYear = beginYear;
    this.pem = pem(this.#certify(name, privateKey, BASIC_CONSTRAINTS_CA));
  }

  /** @param names host names and IPv4 addresses */
  issue(...names: readonly string[]): ServerCertificate {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const extension = seq(SUBJECT_ALT_NAME, tlv(4, seq(...names.map(altName))));
    return {
      cert: pem(this.#certify("test server", privateKey, extension)),
      key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
  }

  #certify(subject: string, key: KeyObject, extension: Buffer): Buffer {
    const toSign = seq(
      Buffer.from("a003020102", "hex"),
      tlv(2, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
      ECDSA_WITH_SHA256,
      nameOf(this.#name),
      seq(utcTime(this.#beginYear), utcTime(this.#endYear)),
      nameOf(subject),
      createPublicKey(key).export({ type: "spki", format: "der" }),
      tlv(0xa3, seq(extension)),
    );
    const signature = sign("sha256", toSign, this.#key);
    return seq(toSign, ECDSA_WITH_SHA256, tlv(3, Buffer.from([0]), signature));
  }
}

/** Paths of PEM files, for programs that require files. */
export interface CertificateFile {
  readonly certificate: string;
  readonly key: string;
}

/** An authority that writes its certificate, and those that it signs, to files. */
export class CertificateFiles {
  readonly authority: string;
  readonly pem: string;
  readonly #directory: string;
  readonly #authority = new CertificateAuthority();

  constructor(directory: string) {
    this.#directory = directory;
    this.pem = this.#authority.pem;
    this.authority = join(directory, "ca.pem");
    writeFileSync(this.authority, this.pem);
  }

  /**
   * Writes a certificate for a server on the loopback address, or for a client, to `<name>cert.pem` and
   * `<name>key.pem`.
   */
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
