import { isDockerFault } from "../../docker/fault.ts";
import { Fault } from "../../errors/fault.ts";
import type { Reference } from "../../oci/reference.ts";
import type { DaemonConnection } from "./connection.ts";
import { encodeName } from "./images.ts";

export interface TagResult {
  readonly reference: Reference;
  readonly failure: Fault | undefined;
}

export async function putTags(
  connection: DaemonConnection,
  id: string,
  references: readonly Reference[],
  signal: AbortSignal,
): Promise<TagResult[]> {
  const results: TagResult[] = [];
  for (const reference of references)
    results.push({ reference, failure: await putTag(connection, id, reference, signal) });
  return results;
}

async function putTag(
  { docker }: DaemonConnection,
  id: string,
  { tag, repository }: Reference,
  signal: AbortSignal,
): Promise<Fault | undefined> {
  try {
    if (tag === undefined) throw new Fault("EXPORT_DAEMON_TAG", "refusing to create a tag with a digest reference");
    const query = { repo: repository.name, tag };
    await docker.text({ method: "POST", path: `/images/${encodeName(id)}/tag`, query }, signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!isDockerFault(error)) throw error;
    return error;
  }
}
