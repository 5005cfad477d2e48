import { Registries, type RegistriesOptions } from "../../../src/destinations/registry/registries.ts";
import { OPEN_RETRY, PUSH_RETRY } from "../../../src/destinations/registry/retry-policies.ts";
import type { Logger } from "../../../src/flow/logger.ts";
import { Keychain } from "../../../src/transport/keychain.ts";

/** The real thing with waits of 1 ms between tries. `headers` is what CNB_REGISTRY_AUTH would hold. */
export function testRegistries(
  logger: Logger,
  headers: Readonly<Record<string, string>> = {},
  options: Partial<RegistriesOptions> = {},
): Registries {
  return new Registries({
    keychain: new Keychain(new Map(Object.entries(headers)), new Map()),
    insecureRegistries: [],
    uploadConcurrency: 4,
    environment: {},
    logger,
    pushRetry: { ...PUSH_RETRY, waitMs: () => 1 },
    openRetry: { ...OPEN_RETRY, waitMs: () => 1 },
    ...options,
  });
}
