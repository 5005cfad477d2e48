import { parseReference } from "../oci/reference.ts";
import { type Keychain, resolveKeychain } from "./keychain.ts";

/**
 * Credentials for the registries of images (docs/compatibility.md#credentials).
 * @param images references; empty and malformed ones are left to the code that opens them
 * @param home the directory of the user whose Docker configuration counts
 * @param onIgnored called with errors that exclude a source of credentials
 * @throws Fault; the signal's reason
 */
export function keychainFor(
  images: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  home: string,
  onIgnored: (error: unknown) => void,
  signal: AbortSignal,
): Promise<Keychain> {
  return resolveKeychain(env, home, [...new Set(images.flatMap(registryOf))], onIgnored, signal);
}

function registryOf(image: string): string[] {
  try {
    return [parseReference(image).registry];
  } catch {
    return [];
  }
}
