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
  for (const reference of references)
    names.push({ name: reference.original, failure: await putTag(connection, id, reference, signal) });
  return names;
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
