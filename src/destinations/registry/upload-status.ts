import { headerOf } from "../../transport/http.ts";
import { type Answer, COMMIT_TIMEOUT_MS } from "../../transport/registry-client.ts";
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
    // Some registries first finish writing what the broken connection left behind.
    headersTimeoutMs: COMMIT_TIMEOUT_MS,
  });
  const offset = offsetOf(answer);
  if (offset === undefined || offset > sent) return undefined;
  const next = headerOf(answer, "location");
  return { location: next === undefined ? location : await connection.client.location(answer), offset };
}

/** The number of bytes that a Range header `0-<last>` stands for. `0-0` is how registries write "none". */
function offsetOf(answer: Answer): number | undefined {
  const last = /^(?:bytes[= ])?0-(\d+)$/.exec(headerOf(answer, "range") ?? "")?.[1];
  if (last === undefined) return undefined;
  return last === "0" ? 0 : Number(last) + 1;
}
