import type { Digest } from "../../oci/digest.ts";
import { type Connection, pathOf, scopeOf, type Work } from "./connection.ts";

/** One HEAD: whether the repository has a blob (contract 9.5). @throws RegistryFault for other answers than 200 and 404 */
export async function headBlob(
  connection: Connection,
  digest: Digest,
  actions: "pull" | "push,pull",
  work: Work,
): Promise<boolean> {
  const { status } = await connection.client.send({
    ...work,
    method: "HEAD",
    target: pathOf(connection, `blobs/${digest}`),
    scopes: [scopeOf(connection.repository, actions)],
    expected: [200, 404],
  });
  return status === 200;
}
