import type { Digest } from "../../oci/digest.ts";
import { type Connection, pathOf, scopeOf, type Work } from "./connection.ts";

/** What a registry says of a blob; some do not answer HEAD. */
export type Presence = "present" | "absent" | "unknown";

const PRESENCE: Readonly<Record<number, Presence>> = { 200: "present", 404: "absent", 405: "unknown", 501: "unknown" };

/**
 * One HEAD: whether the repository has a blob (docs/compatibility.md#pushing-images). @throws RegistryFault for an
 * inconclusive response
 */
export async function headBlob(
  connection: Connection,
  digest: Digest,
  actions: "pull" | "push,pull",
  work: Work,
): Promise<Presence> {
  const { status } = await connection.client.send({
    ...work,
    method: "HEAD",
    target: pathOf(connection, `blobs/${digest}`),
    scopes: [scopeOf(connection.repository, actions)],
    expected: Object.keys(PRESENCE).map(Number),
  });
  return PRESENCE[status] ?? "unknown";
}
