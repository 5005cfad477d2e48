import { isDockerFault } from "../../docker/fault.ts";
import { Fault } from "../../errors/fault.ts";
import type { Reference } from "../../oci/reference.ts";
import type { SavedName } from "../destination.ts";
import type { DaemonConnection } from "./connection.ts";
import { encodeName } from "./images.ts";

export async function putTags(
  connection: DaemonConnection,
  id: string,
  references: readonly Reference[],
  signal: AbortSignal,
): Promise<SavedName[]> {
  const names: SavedName[] = [];
  for (const [i, reference] of references.entries()) {
    const failure = i > 0 && isIdentifier(reference.original) ? identifierFault(reference.original) : undefined;
    names.push({
      name: reference.original,
      failure: failure ?? (await putTag(connection, id, reference, signal)),
    });
  }
  return names;
}

/**
 * Docker's client takes it for an image ID (`ParseNormalizedNamed` in
 * https://github.com/distribution/reference/blob/v0.6.0/normalize.go). The reference gives it the first name in its
 * full form, and the others as typed.
 */
function isIdentifier(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

function identifierFault(name: string): Fault {
  const flaw = `invalid repository name (${name}), cannot specify 64-byte hexadecimal strings`;
  return new Fault("EXPORT_DAEMON_TAG", `error parsing reference: "${name}" is not a valid repository/tag: ${flaw}`, {
    hint: `Add a tag to the name: ${name}:latest.`,
  });
}

async function putTag(
  { docker }: DaemonConnection,
  id: string,
  { identifier, repository }: Reference,
  signal: AbortSignal,
): Promise<Fault | undefined> {
  try {
    const query = { repo: repository.name, tag: identifier };
    await docker.text({ method: "POST", path: `/images/${encodeName(id)}/tag`, query }, signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!isDockerFault(error)) throw error;
    return error;
  }
}
