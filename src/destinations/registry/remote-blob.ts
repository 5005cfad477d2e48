import { Fault } from "../../faults/fault.ts";
import type { GrowingBlob } from "../../layers/layer.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { networkFault } from "../../transport/network-fault.ts";
import { type Connection, pathOf, scopeOf, type Work } from "./connection.ts";

/**
 * A blob of a repository as something to upload elsewhere. Its length is checked here, its digest by who gets the bytes:
 * the registry that they are sent to compares them with the digest of the commit.
 */
export function remoteBlob(connection: Connection, descriptor: Descriptor, work: Work): GrowingBlob {
  const { digest, size } = descriptor;
  return {
    available: size,
    done: Promise.resolve({ digest, size }),
    reaches: async (position) => position < size,
    read: (from, signal) => readBlob(connection, descriptor, from, { ...work, signal }),
  };
}

async function* readBlob(
  connection: Connection,
  { digest, size }: Descriptor,
  from: number,
  work: Work,
): AsyncGenerator<Uint8Array> {
  if (from >= size && size > 0) return;
  const answer = await connection.client.open({
    ...work,
    method: "GET",
    target: pathOf(connection, `blobs/${digest}`),
    scopes: [scopeOf(connection.repository, "pull")],
    expected: from > 0 ? [200, 206] : [200],
    headers: from > 0 ? { range: `bytes=${from}-` } : {},
  });
  // A server that does not know ranges sends everything.
  let position = answer.status === 206 ? from : 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      const skipped = Math.max(0, from - position);
      position += chunk.length;
      if (chunk.length > skipped) yield chunk.subarray(skipped);
    }
  } catch (error) {
    work.signal?.throwIfAborted();
    throw networkFault("GET", answer.url, error);
  }
  if (position !== size)
    throw new Fault(
      "EXPORT_REGISTRY_BLOB",
      `blob ${digest} of ${connection.repository.name}: expected ${size} bytes, got ${position}`,
      {
        destination: connection.repository.name,
      },
    );
}
