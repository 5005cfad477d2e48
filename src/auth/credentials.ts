import { registerSecret } from "../errors/secrets.ts";

export interface CredentialFields {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly auth?: string | undefined;
  readonly identityToken?: string | undefined;
  readonly registryToken?: string | undefined;
}

export interface CredentialOrigin {
  readonly renew: () => Promise<Credentials>;
  /** True for the machine's own credentials, which were not configured for this registry. */
  readonly isAmbient: boolean;
}

/** The credentials for one registry. Private fields keep secrets out of object dumps. */
export class Credentials {
  readonly #fields: CredentialFields;
  readonly #origin: CredentialOrigin | undefined;
  #renewal: Promise<Credentials> | undefined;

  constructor(fields: CredentialFields, origin?: CredentialOrigin) {
    this.#fields = fields;
    this.#origin = origin;
    const { password, auth, identityToken, registryToken } = fields;
    for (const secret of [password, auth, this.#decoded[1], identityToken, registryToken]) registerSecret(secret);
    registerSecret(this.authorization?.replace(/^\w+ /, ""));
  }

  withOrigin(origin: CredentialOrigin): Credentials {
    return new Credentials(this.#fields, origin);
  }

  get isAnonymous(): boolean {
    return !Object.values(this.#fields).some(Boolean);
  }

  get isAmbient(): boolean {
    return this.#origin?.isAmbient ?? false;
  }

  get identityToken(): string {
    return this.#fields.identityToken ?? "";
  }

  get registryToken(): string {
    return this.#fields.registryToken ?? "";
  }

  get authorization(): string | undefined {
    const { username, password, auth } = this.#fields;
    if (this.registryToken !== "") return `Bearer ${this.registryToken}`;
    if (username && password) return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    return auth ? `Basic ${auth}` : undefined;
  }

  get login(): { readonly username: string; readonly password: string } | undefined {
    const { username, password } = this.#fields;
    if (username && password) return { username, password };
    const [name, secret] = this.#decoded;
    return name && secret ? { username: name, password: secret } : undefined;
  }

  async renewed(): Promise<Credentials | undefined> {
    const origin = this.#origin;
    if (origin === undefined) return undefined;
    this.#renewal ??= origin.renew().finally(() => {
      this.#renewal = undefined;
    });
    const fresh = await this.#renewal.catch(() => undefined);
    return fresh?.isAnonymous ? undefined : fresh;
  }

  get canRenew(): boolean {
    return this.#origin !== undefined;
  }

  get #decoded(): readonly [username?: string, password?: string] {
    const text = Buffer.from(this.#fields.auth ?? "", "base64").toString("utf8");
    const colon = text.indexOf(":");
    return colon < 0 ? [] : [text.slice(0, colon), text.slice(colon + 1)];
  }
}

export const ANONYMOUS = new Credentials({});
