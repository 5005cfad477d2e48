import { type Connection, scopeOf, type Work } from "./connection.ts";

/** How long in ms an aborted export waits for a registry to take back an upload: it has a second in all to end. */
export const CANCEL_MS = 400;

/**
 * Tells the registry that nothing will come of an open upload (distribution-spec v1.1.1, "Canceling"). Never rejects: a
 * registry that cannot do it forgets the upload by itself.
 */
export async function cancelUpload({ client, repository }: Connection, location: URL, work: Work): Promise<void> {
  const scopes = [scopeOf(repository, "push,pull")];
  const request = { method: "DELETE", target: location, scopes, expected: [200, 202, 204, 404] } as const;
  await client.send({ ...work, ...request }).catch(() => undefined);
}
