import { RealRegistry } from "./real-registry.ts";
import { FakeRegistry } from "./registry.ts";
import { DOCKER_REGISTRY, OTHER_REGISTRIES, type Quirk } from "./registry-program.ts";

export type AnyRegistry = FakeRegistry | RealRegistry;

export interface RegistryKind {
  readonly name: string;
  readonly isMissing: boolean;
  readonly quirks: readonly Quirk[];
  readonly start: () => Promise<AnyRegistry>;
}

/** @returns why this machine cannot use Debian's registry; undefined if it can */
export function dockerRegistryProblem(): string | undefined {
  return DOCKER_REGISTRY.path === undefined
    ? `docker-registry is not installed (${DOCKER_REGISTRY.remedy})`
    : undefined;
}

export function startRegistry(): Promise<AnyRegistry> {
  return dockerRegistryProblem() === undefined ? RealRegistry.start(DOCKER_REGISTRY) : FakeRegistry.start();
}

const problem = dockerRegistryProblem();
if (problem !== undefined) console.warn(`The suite against a real registry is skipped: ${problem}`);

/** A suite that uses all kinds reports if Debian's is missing; the others are optional. */
export const REGISTRY_KINDS: readonly RegistryKind[] = [
  { name: "the fake", isMissing: false, quirks: [], start: () => FakeRegistry.start() },
  { ...DOCKER_REGISTRY, isMissing: problem !== undefined, start: () => RealRegistry.start(DOCKER_REGISTRY) },
  ...OTHER_REGISTRIES.filter(({ path }) => path !== undefined).map((program) => ({
    ...program,
    isMissing: false,
    start: () => RealRegistry.start(program),
  })),
];
