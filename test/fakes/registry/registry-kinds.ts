import { DockerRegistry, dockerRegistryProblem } from "./docker-registry.ts";
import { FakeRegistry } from "./registry.ts";

/** A registry that a suite can run against, or why not. */
export interface RegistryKind {
  readonly name: string;
  readonly isMissing: boolean;
  readonly start: () => Promise<FakeRegistry | DockerRegistry>;
}

const problem = dockerRegistryProblem();
if (problem !== undefined) console.warn(`The suite against a real registry is skipped: ${problem}`);

/** Every kind there is; a suite that uses them says so when one is missing. */
export const REGISTRY_KINDS: readonly RegistryKind[] = [
  { name: "the fake", isMissing: false, start: () => FakeRegistry.start() },
  { name: "docker-registry", isMissing: problem !== undefined, start: () => DockerRegistry.start() },
];
