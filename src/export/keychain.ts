import { type Keychain, resolveKeychain } from "../auth/keychain.ts";
import { Fault, messageOf } from "../errors/fault.ts";
import type { Logger } from "../logger.ts";
import { parseReference } from "../oci/reference.ts";
import type { ExportSettings } from "../plan/inputs.ts";
import type { Environment } from "../process/environment.ts";

type NamedImages = Pick<
  ExportSettings,
  "cacheImage" | "outputImage" | "additionalTags" | "previousImage" | "buildImage" | "daemon"
>;

interface KeychainSources {
  readonly env: Environment;
  readonly home: string;
  readonly logger: Logger;
}

/**
 * Credentials for all images of an export that may be in a registry; with a daemon only for the cache image
 * (docs/compatibility.md#credentials).
 * @param others images besides those of the flags
 * @throws Fault; the signal's reason
 */
export function readKeychain(
  settings: NamedImages,
  others: readonly string[],
  { env, home, logger }: KeychainSources,
  signal: AbortSignal,
): Promise<Keychain> {
  const { cacheImage, outputImage, additionalTags, previousImage, buildImage } = settings;
  const named = [outputImage, ...additionalTags, previousImage, buildImage, ...others];
  const images = settings.daemon ? [cacheImage] : [cacheImage, ...named];
  const onIgnored = (error: unknown) => {
    const line = `Ignoring credentials: ${messageOf(error)}`;
    if (isConfigured(error)) logger.warn(line);
    else logger.debug(line);
  };
  return resolveKeychain(env, home, images.flatMap(registryOf), onIgnored, signal);
}

function registryOf(image: string): string[] {
  try {
    return [parseReference(image).registry];
  } catch {
    // Empty, or reported by the code that opens the image.
    return [];
  }
}

/** True for an explicitly configured file, variable or helper, rather than a cloud that is asked on speculation. */
function isConfigured(error: unknown): boolean {
  return error instanceof Fault && (error.code === "EXPORT_AUTH_CONFIG" || error.code === "EXPORT_AUTH_HELPER");
}
