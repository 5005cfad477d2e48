/**
 * Query parameters of the registry protocol itself. Any other may be a signature or a token, because it most likely comes
 * from a redirect to a storage service (go-containerregistry internal/redact).
 */
const PUBLIC_PARAMETERS = new Set(["scope", "service", "mount", "from", "digest", "n", "last"]);

/** A URL for messages and logs: without password, and with the values of unknown query parameters replaced. */
export function redactUrl(url: URL): string {
  const shown = new URL(url);
  if (shown.password !== "") shown.password = "xxxxx";
  for (const name of new Set(shown.searchParams.keys()))
    if (!PUBLIC_PARAMETERS.has(name)) shown.searchParams.set(name, "REDACTED");
  return shown.href;
}
