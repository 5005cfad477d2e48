import { createPrivateKey, createSign, randomUUID, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Login } from "../images/registry-access.ts";
import type { CertificateFile } from "../network/certificate.ts";

const LIFETIME_S = 300;

/** Issues signed tokens, as the distribution project specifies them, for a user and password. */
export class TokenServer implements AsyncDisposable {
  readonly service = "registry of a test";
  readonly issuer = "token server of a test";
  readonly issued: string[] = [];
  readonly #server: Server;
  readonly #login: Login;
  readonly #signer: CertificateFile;

  private constructor(login: Login, signer: CertificateFile) {
    this.#login = login;
    this.#signer = signer;
    const tls = { cert: readFileSync(signer.certificate), key: readFileSync(signer.key) };
    this.#server = createServer(tls, ({ headers, url = "/" }, response) => {
      const isKnown = headers.authorization === `Basic ${btoa(`${login.username}:${login.password}`)}`;
      const scopes = new URL(url, this.realm).searchParams.getAll("scope").flatMap((scope) => scope.split(" "));
      response.statusCode = isKnown ? 200 : 401;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(isKnown ? { token: this.#sign(scopes), expires_in: LIFETIME_S } : {}));
    });
  }

  /**
   * @param signer certificate that the registry must trust, and clients, too, because the server uses TLS: it, or its
   * authority
   */
  static async start(login: Login, signer: CertificateFile): Promise<TokenServer> {
    const server = new TokenServer(login, signer);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  /** By name, because credentials go to no private address other than the registry's. */
  get realm(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}/token`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await this.#server[Symbol.asyncDispose]();
  }

  #sign(scopes: readonly string[]): string {
    this.issued.push(scopes.join(" "));
    const certificate = new X509Certificate(readFileSync(this.#signer.certificate));
    const now = Math.floor(Date.now() / 1000);
    const header = { typ: "JWT", alg: "ES256", x5c: [certificate.raw.toString("base64")] };
    const claims = {
      ...{ iss: this.issuer, sub: this.#login.username, aud: this.service, jti: randomUUID() },
      ...{ iat: now, nbf: now, exp: now + LIFETIME_S },
      access: scopes.map((scope) => {
        const [type, name, actions = ""] = scope.split(":");
        return { type, name, actions: actions.split(",") };
      }),
    };
    const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    const key = createPrivateKey(readFileSync(this.#signer.key));
    const signature = createSign("sha256").update(text).sign({ key, dsaEncoding: "ieee-p1363" });
    return `${text}.${signature.toString("base64url")}`;
  }
}
