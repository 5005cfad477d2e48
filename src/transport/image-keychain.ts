import { parseReference } from "../oci/reference.ts";
import { type Keychain, resolveKeychain } from "./keychain.ts";

/**
 * Credentials for the registries of images (contract 9.1).
 * @param images references; those that name nothing, or cannot be parsed, are left to whoever opens them
 * @param home the directory of the user whose docker configuration counts
 * @param onIgnored gets what keeps a source of credentials from being used
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
