import { RealRegistry } from "./real-registry.ts";
import { FakeRegistry } from "./registry.ts";
import { DOCKER_REGISTRY, OTHER_REGISTRIES, type Quirk } from "./registry-program.ts";

export type AnyRegistry = FakeRegistry | RealRegistry;

/** A registry that a suite can run against, or why not. */
export interface RegistryKind {
  readonly name: string;
  readonly isMissing: boolean;
  readonly quirks: readonly Quirk[];
  readonly start: () => Promise<AnyRegistry>;
}

/** Why Debian's registry cannot be used on this machine; undefined when it can. */
export function dockerRegistryProblem(): string | undefined {
  return DOCKER_REGISTRY.path === undefined
    ? `docker-registry is not installed (${DOCKER_REGISTRY.remedy})`
    : undefined;
}

/** Debian's registry where it is installed, else the project's own. */
export function startRegistry(): Promise<AnyRegistry> {
  return dockerRegistryProblem() === undefined ? RealRegistry.start(DOCKER_REGISTRY) : FakeRegistry.start();
}

const problem = dockerRegistryProblem();
if (problem !== undefined) console.warn(`The suite against a real registry is skipped: ${problem}`);

/** Every kind there is; a suite that uses them says so when Debian's is missing. Others take part where they are installed. */
export const REGISTRY_KINDS: readonly RegistryKind[] = [
  { name: "the fake", isMissing: false, quirks: [], start: () => FakeRegistry.start() },
  { ...DOCKER_REGISTRY, isMissing: problem !== undefined, start: () => RealRegistry.start(DOCKER_REGISTRY) },
  ...OTHER_REGISTRIES.filter(({ path }) => path !== undefined).map((program) => ({
    ...program,
    isMissing: false,
    start: () => RealRegistry.start(program),
  })),
];
