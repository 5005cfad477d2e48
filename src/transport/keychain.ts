import { withContext } from "../faults/fault.ts";
import { DOCKER_HUB } from "../oci/registry-name.ts";
import { askCredentialHelper } from "./credential-helper.ts";
import { ANONYMOUS, type Credentials } from "./credentials.ts";
import { type DockerConfig, type Environment, entryFor, helperFor, readDockerConfig } from "./docker-config.ts";
import { credentialsOfHeader, type EnvironmentAuth, parseEnvironmentAuth } from "./environment-auth.ts";

/** The name under which docker stores Docker Hub's credentials, for historical reasons. */
const HUB_KEY = `https://${DOCKER_HUB}/v1/`;

/** The credentials of an export: `CNB_REGISTRY_AUTH` first, then what docker's config had at the start. */
export class Keychain {
  readonly #environment: EnvironmentAuth;
  readonly #resolved: ReadonlyMap<string, Credentials>;

  constructor(environment: EnvironmentAuth, resolved: ReadonlyMap<string, Credentials>) {
    this.#environment = environment;
    this.#resolved = resolved;
  }

  /** @throws Fault when the registry's value in `CNB_REGISTRY_AUTH` is of an unknown kind */
  credentialsFor(registry: string): Credentials {
    const header = this.#environment.get(registry);
    return header === undefined ? (this.#resolved.get(registry) ?? ANONYMOUS) : credentialsOfHeader(header);
  }
}

/**
 * Resolves the credentials of the given registries once, while the process still has the rights to read them; any other
 * registry is anonymous later, unless `CNB_REGISTRY_AUTH` names it. Unreadable configs and failing helpers count as no
 * credentials, as in the reference (contract 9.1).
 * @param onIgnored gets what went wrong, for the debug log
 * @param signal stops helpers that are still asked
 * @throws Fault `failed to resolve keychain: ...` (exit code 1) when `CNB_REGISTRY_AUTH` is not valid
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
  try {
    const config = await readDockerConfig(environment, home);
    const wanted = new Set(config === undefined ? [] : registries.filter((registry) => !headers.has(registry)));
    await Promise.all(
      [...wanted].map(async (registry) => {
        try {
          const found = await lookUp(config ?? {}, registry, environment, signal);
          if (!found.isAnonymous) resolved.set(registry, found);
        } catch (error) {
          onIgnored(error);
        }
      }),
    );
  } catch (error) {
    onIgnored(error);
  }
  return new Keychain(headers, resolved);
}

function readHeaders(environment: Environment): EnvironmentAuth {
  try {
    return parseEnvironmentAuth(environment.CNB_REGISTRY_AUTH);
  } catch (error) {
    throw withContext("failed to resolve keychain", error);
  }
}

async function lookUp(
  config: DockerConfig,
  registry: string,
  environment: Environment,
  signal: AbortSignal | undefined,
): Promise<Credentials> {
  const key = registry === DOCKER_HUB ? HUB_KEY : registry;
  const helper = helperFor(config, key);
  if (helper !== undefined) return askCredentialHelper(helper, key, environment, signal);
  return entryFor(config, key) ?? ANONYMOUS;
}
