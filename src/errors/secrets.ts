/** Redacting a shorter secret would mangle ordinary words in messages, and thereby reveal it. */
const SHORTEST = 8;

const known = new Set<string>();

/**
 * Registers a password, token or key that must never be shown. Messages of this program contain none, but a registry, a
 * proxy or a helper program may repeat what it was sent.
 */
export function registerSecret(value: string | undefined): void {
  if (value === undefined || value.length < SHORTEST) return;
  known.add(value);
  known.add(encodeURIComponent(value));
  known.add(JSON.stringify(value).slice(1, -1));
}

export function withoutSecrets(text: string): string {
  let shown = text;
  // A longer secret may contain a shorter one.
  for (const secret of [...known].sort((a, b) => b.length - a.length))
    if (shown.includes(secret)) shown = shown.replaceAll(secret, "[redacted]");
  return shown;
}
