import { headerOf } from "../../transport/http.ts";
import type { Answer } from "../../transport/registry-client.ts";
import { type Connection, scopeOf, type Work } from "./connection.ts";

/** Where an interrupted upload can go on. */
export interface UploadStatus {
  readonly location: URL;
  /** Bytes that the registry has. */
  readonly offset: number;
}

/**
 * Asks an upload how far it got (distribution-spec v1.1.1, "Resuming an interrupted upload"); undefined when the answer
 * makes no sense, which is frequent: the upload is then begun anew.
 * @param sent bytes that were sent in this upload at most
 * @throws RegistryFault
 */
export async function readUploadStatus(
  connection: Connection,
  location: URL,
  sent: number,
  work: Work,
): Promise<UploadStatus | undefined> {
  const answer = await connection.client.send({
    ...work,
    method: "GET",
    target: location,
    scopes: [scopeOf(connection.repository, "push,pull")],
    expected: [200, 204],
  });
  const offset = offsetOf(answer);
  if (offset === undefined || offset > sent) return undefined;
  const next = headerOf(answer, "location");
  return { location: next === undefined ? location : await connection.client.location(answer), offset };
}

/**
 * The number of bytes that a Range header `0-<last>` stands for. `0-0` is how some registries write "none", and others one
 * byte: it is not believed.
 */
function offsetOf(answer: Answer): number | undefined {
  const last = /^(?:bytes[= ])?0-(\d+)$/.exec(headerOf(answer, "range") ?? "")?.[1];
  return last === undefined || last === "0" ? undefined : Number(last) + 1;
}
