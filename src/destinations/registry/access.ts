import { toFault } from "../../errors/fault.ts";
import type { Reference } from "../../oci/reference.ts";
import { APP_PRIORITY } from "../../plan/layers.ts";
import { namesFault } from "../destination.ts";
import type { RegistryRepository } from "./repository.ts";

/**
 * Checks all names, once per repository.
 * @throws Fault that lists the denied names, worded as if their push had failed
 */
export async function checkNames(
  references: readonly Reference[],
  repositoryOf: (reference: Reference) => RegistryRepository,
  signal: AbortSignal,
): Promise<void> {
  const groups = [...Map.groupBy(references, repositoryOf)];
  const checks = groups.map(([repository]) => repository.checkPush({ priority: APP_PRIORITY, signal }));
  const refusals = (await Promise.allSettled(checks)).flatMap((check, i) => {
    if (check.status === "fulfilled") return [];
    const names = groups[i]?.[1] ?? [];
    return names.map(({ original }) => ({ name: original, failure: toFault(check.reason) }));
  });
  signal.throwIfAborted();
  const fault = namesFault(refusals);
  if (fault !== undefined) throw fault;
}
