/** Redacting a shorter secret would mangle ordinary words in messages, and thereby reveal it. */
const SHORTEST = 8;

/** Secrets registered outside of any scope, kept until the process ends: those of a command. */
const known = new Set<string>();

const scopes = new Set<Set<string>>();

/**
 * Forgets the secrets registered from now on when it is disposed: in a long-lived process each export registers new
 * tokens. If several scopes are open, each keeps the secret, because its owner is unknown.
 */
export function openSecretScope(): Disposable {
  const own = new Set<string>();
  scopes.add(own);
  return { [Symbol.dispose]: () => void scopes.delete(own) };
}

/**
 * Registers a password, token or key that must never be shown. Messages of this program contain none, but a registry, a
 * proxy or a helper program may repeat what it was sent.
 */
export function registerSecret(value: string | undefined): void {
  if (value === undefined || value.length < SHORTEST) return;
  // As shown by a server that reads headers as ISO 8859-1, as most do.
  const misread = Buffer.from(value).toString("latin1");
  const forms = [value, misread, encodeURIComponent(value.toWellFormed()), JSON.stringify(value).slice(1, -1)];
  for (const secrets of scopes.size > 0 ? scopes : [known]) for (const form of forms) secrets.add(form);
}

export function withoutSecrets(text: string): string {
  let shown = text;
  const secrets = [known, ...scopes].flatMap((kept) => [...kept]);
  // A longer secret may contain a shorter one.
  for (const secret of secrets.sort((a, b) => b.length - a.length))
    if (shown.includes(secret)) shown = shown.replaceAll(secret, "[redacted]");
  return shown;
}
