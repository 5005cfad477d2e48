/** A shorter one would tear ordinary words apart wherever it stands in a message, and show by that what it is. */
const SHORTEST = 8;

const known = new Set<string>();

/**
 * Remembers something that must never be shown: a password, a token, a key. Code that makes messages does not show any of
 * them; but a registry, a proxy or a helper program may repeat in its own words what it was sent.
 */
export function keepSecret(value: string | undefined): void {
  if (value === undefined || value.length < SHORTEST) return;
  known.add(value);
  known.add(encodeURIComponent(value));
  known.add(JSON.stringify(value).slice(1, -1));
}

/** A text as it may be shown: with every secret that is known so far replaced. */
export function withoutSecrets(text: string): string {
  let shown = text;
  // A longer one may have a shorter one in it.
  for (const secret of [...known].sort((a, b) => b.length - a.length))
    if (shown.includes(secret)) shown = shown.replaceAll(secret, "[redacted]");
  return shown;
}
