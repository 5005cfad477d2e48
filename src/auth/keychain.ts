import { withContext } from "../errors/fault.ts";
import { isShortage } from "../errors/shortage.ts";
import { DOCKER_HUB } from "../oci/reference.ts";
import type { Environment } from "../process/environment.ts";
import { cloudCredentials } from "./clouds/cloud-credentials.ts";
import { askCredentialHelper } from "./credential-helper.ts";
import { ANONYMOUS, type Credentials } from "./credentials.ts";
import {
  credentialsOfHeader,
  type DockerConfig,
  type EnvironmentAuth,
  entryFor,
  helperFor,
  parseEnvironmentAuth,
  readDockerConfig,
  readVariableConfig,
} from "./docker-config.ts";

const HUB_KEY = `https://${DOCKER_HUB}/v1/`;

export class Keychain {
  readonly #environment: EnvironmentAuth;
  readonly #resolved: ReadonlyMap<string, Credentials>;

  constructor(environment: EnvironmentAuth, resolved: ReadonlyMap<string, Credentials>) {
    this.#environment = environment;
    this.#resolved = resolved;
  }

  credentialsFor(registry: string): Credentials {
    const header = this.#environment.get(registry);
    return header === undefined ? (this.#resolved.get(registry) ?? ANONYMOUS) : credentialsOfHeader(header, registry);
  }
}

/**
 * Resolves the credentials of the given registries once, while the process still has the privileges to read them; other
 * registries are anonymous later, unless `CNB_REGISTRY_AUTH` has them. The order is: `DOCKER_AUTH_CONFIG`, Docker's or
 * podman's config with its helper programs, and the cloud for its own registries. Unreadable configs and failing
 * helpers count as no credentials, as in the reference (docs/compatibility.md#credentials).
 * @param onIgnored gets the errors, for the log
 * @param signal stops running helpers
 * @throws Fault `failed to resolve keychain: ...` (exit code 1) if `CNB_REGISTRY_AUTH` is invalid; the signal's reason
 */
export async function resolveKeychain(
  environment: Environment,
  home: string,
  registries: readonly string[],
  onIgnored: (error: unknown) => void = () => undefined,
  signal?: AbortSignal,
): Promise<Keychain> {
  const resolved = new Map<string, Credentials>();
  const headers = readHeaders(environment);
  const ignoring = (error: unknown) => {
    signal?.throwIfAborted();
    // A shortage of file descriptors or processes does not mean that there are no credentials.
    if (isShortage(error)) throw error;
    onIgnored(error);
    return undefined;
  };
  const variable = await readVariableConfig(environment, onIgnored).catch(ignoring);
  const config = await readDockerConfig(environment, home, onIgnored).catch(ignoring);
  const sources: readonly ((registry: string) => Promise<Credentials>)[] = [
    async (registry) => variable?.auths.get(keyOf(registry)) ?? ANONYMOUS,
    async (registry) => (config === undefined ? ANONYMOUS : lookUp(config, registry, environment, signal)),
    (registry) => cloudCredentials(registry, environment, home, signal),
  ];
  const resolve = async (registry: string) => {
    for (const source of sources) {
      const found = await source(registry).catch(ignoring);
      if (found !== undefined && !found.isAnonymous) {
        resolved.set(registry, found);
        return;
      }
    }
  };
  await Promise.all([...new Set(registries)].filter((registry) => !headers.has(registry)).map(resolve));
  return new Keychain(headers, resolved);
}

function readHeaders(environment: Environment): EnvironmentAuth {
  try {
    return parseEnvironmentAuth(environment.CNB_REGISTRY_AUTH);
  } catch (error) {
    throw withContext("failed to resolve keychain", error);
  }
}

function keyOf(registry: string): string {
  return registry === DOCKER_HUB ? HUB_KEY : registry;
}

async function lookUp(
  config: DockerConfig,
  registry: string,
  environment: Environment,
  signal: AbortSignal | undefined,
): Promise<Credentials> {
  const key = keyOf(registry);
  const helper = helperFor(config, key);
  if (helper !== undefined) return askCredentialHelper(helper, key, environment, signal);
  return entryFor(config, key) ?? ANONYMOUS;
}
