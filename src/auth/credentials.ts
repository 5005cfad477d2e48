import { keepSecret } from "../errors/secrets.ts";

/** What go-containerregistry calls an AuthConfig; "" where there is nothing. */
export interface CredentialFields {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Base64 of `user:password`, sent as it is. */
  readonly auth?: string | undefined;
  readonly identityToken?: string | undefined;
  readonly registryToken?: string | undefined;
}

/** Where credentials come from that do not last. */
export interface CredentialOrigin {
  readonly renew: () => Promise<Credentials>;
  /** True for credentials of the machine, which were not configured for this registry. */
  readonly isAmbient: boolean;
}

/** The credentials for one registry. The fields are private, so that no dump of an object shows them. */
export class Credentials {
  readonly #fields: CredentialFields;
  readonly #origin: CredentialOrigin | undefined;
  #renewal: Promise<Credentials> | undefined;

  /** @param origin where to get newer ones; none for what stands in a file or a variable */
  constructor(fields: CredentialFields, origin?: CredentialOrigin) {
    this.#fields = fields;
    this.#origin = origin;
    const { password, auth, identityToken, registryToken } = fields;
    for (const secret of [password, auth, this.#decoded[1], identityToken, registryToken]) keepSecret(secret);
    keepSecret(this.authorization?.replace(/^\w+ /, ""));
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

  /**
   * The Authorization header for a Basic challenge or a token request (docs/compatibility.md#registry-handshake),
   * undefined if anonymous.
   */
  get authorization(): string | undefined {
    const { username, password, auth } = this.#fields;
    if (this.registryToken !== "") return `Bearer ${this.registryToken}`;
    if (username && password) return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    return auth ? `Basic ${auth}` : undefined;
  }

  /** User and password, for token servers that take them in a form; undefined if there is not both. */
  get login(): { readonly username: string; readonly password: string } | undefined {
    const { username, password } = this.#fields;
    if (username && password) return { username, password };
    const [name, secret] = this.#decoded;
    return name && secret ? { username: name, password: secret } : undefined;
  }

  /**
   * Newer ones from the same origin, asked once however many want them at the same time; undefined when there is no origin,
   * or when it has none to give.
   */
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
