/** What go-containerregistry calls an AuthConfig; "" where there is nothing. */
export interface CredentialFields {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Base64 of `user:password`, sent as it is. */
  readonly auth?: string | undefined;
  /** An OAuth2 refresh token. */
  readonly identityToken?: string | undefined;
  /** A bearer token for the registry itself. */
  readonly registryToken?: string | undefined;
}

/** The credentials for one registry. The fields are private, so that no dump of an object shows them. */
export class Credentials {
  readonly #fields: CredentialFields;

  constructor(fields: CredentialFields) {
    this.#fields = fields;
  }

  get isAnonymous(): boolean {
    return !Object.values(this.#fields).some(Boolean);
  }

  get identityToken(): string {
    return this.#fields.identityToken ?? "";
  }

  get registryToken(): string {
    return this.#fields.registryToken ?? "";
  }

  /** The Authorization header for who answers a Basic challenge or a token request (contract 9.3), undefined if anonymous. */
  get authorization(): string | undefined {
    const { username, password, auth } = this.#fields;
    if (this.registryToken !== "") return `Bearer ${this.registryToken}`;
    if (username && password) return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    return auth ? `Basic ${auth}` : undefined;
  }
}

export const ANONYMOUS = new Credentials({});
