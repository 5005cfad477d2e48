import { onTestFinished } from "vitest";
import { Keychain } from "../../../src/auth/keychain.ts";
import { Registries, type RegistriesOptions } from "../../../src/destinations/registry/registries.ts";
import type { Logger } from "../../../src/logger.ts";
import { APP_PRIORITY } from "../../../src/plan/layers.ts";
import { SkippingClock } from "../clock.ts";

/** Of requests for the app image, which no gate holds back. */
export const OPTIONS = { priority: APP_PRIORITY };

/** The real client, without waits between attempts. @param headers contents of CNB_REGISTRY_AUTH */
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
    clock: new SkippingClock(),
    ...options,
  });
}

/** {@link testRegistries} that are closed when the test ends. */
export function openRegistries(...given: Parameters<typeof testRegistries>): Registries {
  const registries = testRegistries(...given);
  onTestFinished(() => registries.close());
  return registries;
}
